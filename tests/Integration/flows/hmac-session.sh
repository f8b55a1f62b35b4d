. "$FLOWS/lib.sh"
# HMAC sessions, salted with a key, with encrypted parameters, kept in a file between processes.
tpm2_createprimary --key-context=primary.ctx >/dev/null
flush
tpm2_startauthsession --hmac-session --tpmkey-context=primary.ctx --session=session.ctx
flush
tpm2_sessionconfig --enable-encrypt --enable-decrypt session.ctx
tpm2_getrandom --session=session.ctx --hex 16 >random
size random
printf 'through a session' >secret
tpm2_create --parent-context=primary.ctx --parent-auth=session:session.ctx --key-auth=abc --sealing-input=secret \
    --public=seal.pub --private=seal.priv >/dev/null
flush
tpm2_load --parent-context=primary.ctx --auth=session:session.ctx --public=seal.pub --private=seal.priv \
    --key-context=seal.ctx >/dev/null
flush
tpm2_unseal --object-context=seal.ctx --auth=session:session.ctx+abc
flush
echo
refused "a wrong password" tpm2_unseal --object-context=seal.ctx --auth=session:session.ctx+abd
flush
tpm2_flushcontext session.ctx
refused "a session that was flushed" tpm2_getrandom --session=session.ctx --hex 16
tpm2_dictionarylockout --clear-lockout
