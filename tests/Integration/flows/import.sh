. "$FLOWS/lib.sh"
# A key that was made outside of the TPM.
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl ec -in key.pem -pubout -out key.pub.pem 2>/dev/null
tpm2_createprimary --key-context=primary.ctx >/dev/null
flush
tpm2_import --parent-context=primary.ctx --key-algorithm=ecc --input=key.pem --public=key.pub --private=key.priv \
    >/dev/null
flush
tpm2_load --parent-context=primary.ctx --public=key.pub --private=key.priv --key-context=key.ctx >/dev/null
flush
tpm2_readpublic --object-context=key.ctx --format=pem --output=read.pem >/dev/null
flush
cmp key.pub.pem read.pem && echo "the same public key"
echo "to be signed" >message
tpm2_sign --key-context=key.ctx --hash-algorithm=sha256 --format=plain --signature=message.sig message
flush
openssl dgst -verify key.pub.pem -sha256 -signature message.sig message
