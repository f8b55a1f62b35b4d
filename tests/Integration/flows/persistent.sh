. "$FLOWS/lib.sh"
tpm2_createprimary --key-algorithm=ecc --key-context=primary.ctx >/dev/null
flush
tpm2_evictcontrol --hierarchy=o --object-context=primary.ctx 0x81000123
flush
tpm2_getcap handles-persistent
tpm2_readpublic --object-context=0x81000123
echo "sealed below it" >secret
tpm2_create --parent-context=0x81000123 --sealing-input=secret --public=seal.pub --private=seal.priv >/dev/null
flush
tpm2_load --parent-context=0x81000123 --public=seal.pub --private=seal.priv --key-context=seal.ctx >/dev/null
flush
tpm2_unseal --object-context=seal.ctx
flush
tpm2_evictcontrol --hierarchy=o --object-context=0x81000123
tpm2_getcap handles-persistent
refused "an object that was evicted" tpm2_readpublic --object-context=0x81000123
