. "$FLOWS/lib.sh"
printf 'the credential' >secret
tpm2_createek --ek-context=ek.ctx --key-algorithm=rsa --public=ek.pub
flush
tpm2_createak --ek-context=ek.ctx --ak-context=ak.ctx --key-algorithm=ecc --hash-algorithm=sha256 \
    --signing-algorithm=ecdsa --ak-name=ak.name >/dev/null
flush
tpm2_makecredential --encryption-key=ek.pub --secret=secret --name="$(od -An -v -tx1 ak.name | tr -d ' \n')" \
    --credential-blob=blob
flush
tpm2_startauthsession --policy-session --session=session.ctx
tpm2_policysecret --session=session.ctx --object-context=endorsement >/dev/null
tpm2_activatecredential --credentialedkey-context=ak.ctx --credentialkey-context=ek.ctx --credential-blob=blob \
    --certinfo-data=out \
    --credentialkey-auth=session:session.ctx >/dev/null
flush
tpm2_flushcontext session.ctx
cat out
