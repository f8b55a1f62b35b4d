. "$FLOWS/lib.sh"
tpm2_createprimary --key-algorithm=ecc --key-context=primary.ctx >/dev/null
flush
tpm2_getcap handles-transient
tpm2_startauthsession --policy-session --session=session.ctx
tpm2_getcap handles-saved-session | wc -l
tpm2_flushcontext session.ctx
tpm2_getcap handles-saved-session
tpm2_getcap handles-loaded-session
refused "a session that was flushed" tpm2_policyrestart --session=session.ctx
tpm2_flushcontext --transient-object
tpm2_flushcontext --loaded-session
tpm2_flushcontext --saved-session
