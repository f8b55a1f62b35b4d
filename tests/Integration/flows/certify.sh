. "$FLOWS/lib.sh"
# Two keys in one command, and the attestation verified by a third party.
tpm2_createprimary --hierarchy=e --key-algorithm=ecc --key-context=primary.ctx >/dev/null
flush
tpm2_create --parent-context=primary.ctx --key-algorithm=rsa \
    --attributes='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' \
    --public=key.pub --private=key.priv >/dev/null
flush
tpm2_load --parent-context=primary.ctx --public=key.pub --private=key.priv --key-context=key.ctx >/dev/null
flush
tpm2_certify --certifiedkey-context=primary.ctx --signingkey-context=key.ctx --hash-algorithm=sha256 \
    --attestation=attest --signature=attest.sig
flush
tpm2_verifysignature --key-context=key.ctx --hash-algorithm=sha256 --message=attest --signature=attest.sig
flush
tpm2_readpublic --object-context=primary.ctx --name=primary.name >/dev/null
flush
name=$(od -An -v -tx1 primary.name | tr -d ' \n')
case $(od -An -v -tx1 attest | tr -d ' \n') in
*"$name"*) echo "attests $name" ;;
*) echo "does not name the key" ;;
esac
