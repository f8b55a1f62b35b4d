. "$FLOWS/lib.sh"
echo "to be signed" >message
for algorithm in rsa2048 ecc256; do
    echo "== $algorithm"
    tpm2_createprimary --hierarchy=o --key-algorithm=$algorithm --key-context=primary.ctx >primary.txt
    cat primary.txt
    flush
    tpm2_create --parent-context=primary.ctx --key-algorithm=$algorithm --public=key.pub --private=key.priv >/dev/null
    flush
    tpm2_load --parent-context=primary.ctx --public=key.pub --private=key.priv --key-context=key.ctx >/dev/null
    flush
    tpm2_readpublic --object-context=key.ctx --output=key.pem --format=pem --name=key.name >/dev/null
    flush
    size key.name
    tpm2_sign --key-context=key.ctx --hash-algorithm=sha256 --signature=message.sig message
    flush
    tpm2_verifysignature --key-context=key.ctx --hash-algorithm=sha256 --message=message --signature=message.sig \
        --ticket=ticket
    flush
    echo "verified by the TPM"
    tpm2_sign --key-context=key.ctx --hash-algorithm=sha256 --format=plain --signature=plain.sig message
    flush
    openssl dgst -verify key.pem -keyform pem -sha256 -signature plain.sig message
    echo "another message" >other
    refused "another message" tpm2_verifysignature --key-context=key.ctx --hash-algorithm=sha256 --message=other \
        --signature=message.sig
    flush
done
