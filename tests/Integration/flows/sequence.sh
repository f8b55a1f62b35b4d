. "$FLOWS/lib.sh"
# Larger than one command can take: the tools use a sequence object for it.
seq 1 40000 >large
size large
tpm2_hash --hash-algorithm=sha256 --hex large
echo
tpm2_hash --hash-algorithm=sha1 --hierarchy=o --ticket=ticket --hex large
echo
tpm2_createprimary --key-context=primary.ctx >/dev/null
flush
printf 'the key of the HMAC' >raw
tpm2_import --parent-context=primary.ctx --key-algorithm=hmac --input=raw --public=key.pub --private=key.priv >/dev/null
flush
tpm2_load --parent-context=primary.ctx --public=key.pub --private=key.priv --key-context=key.ctx >/dev/null
flush
tpm2_hmac --key-context=key.ctx --hex large
flush
echo
printf 'small' | tpm2_hmac --key-context=key.ctx --hex
flush
echo
openssl dgst -sha256 -hmac 'the key of the HMAC' large
