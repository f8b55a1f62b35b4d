. "$FLOWS/lib.sh"
# A secret sealed to PCR 14, unsealed with a policy session that each process takes from a file and puts back there.
printf 'a secret' >secret
tpm2_createprimary --key-context=primary.ctx >/dev/null
flush
tpm2_startauthsession --session=trial.ctx
tpm2_policypcr --session=trial.ctx --pcr-list=sha256:14 --policy=pcr.policy
tpm2_flushcontext trial.ctx
tpm2_create --parent-context=primary.ctx --sealing-input=secret --policy=pcr.policy --public=seal.pub \
    --private=seal.priv >/dev/null
flush
tpm2_load --parent-context=primary.ctx --public=seal.pub --private=seal.priv --key-context=seal.ctx >/dev/null
flush
tpm2_startauthsession --policy-session --session=session.ctx
tpm2_policypcr --session=session.ctx --pcr-list=sha256:14
tpm2_unseal --auth=session:session.ctx --object-context=seal.ctx
flush
echo
tpm2_policyrestart --session=session.ctx
refused "a policy that was restarted" tpm2_unseal --auth=session:session.ctx --object-context=seal.ctx
flush
tpm2_policypcr --session=session.ctx --pcr-list=sha256:14
tpm2_pcrextend 14:sha256=0000000000000000000000000000000000000000000000000000000000000001
refused "a PCR that was extended" tpm2_unseal --auth=session:session.ctx --object-context=seal.ctx
flush
tpm2_flushcontext session.ctx
refused "another value of the PCR" tpm2_unseal --auth=pcr:sha256:14 --object-context=seal.ctx
flush
