. "$FLOWS/lib.sh"
# IBM's TSS opens the TPM anew for every tool, so the keys that its tools share are persistent ones.
export TPM_DATA_DIR=.
tpm2_createprimary --key-algorithm=ecc --key-context=primary.ctx >/dev/null
flush
tpm2_evictcontrol --hierarchy=o --object-context=primary.ctx 0x81000200 >/dev/null
tpm2_create --parent-context=0x81000200 --key-algorithm=ecc \
    --attributes='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' \
    --public=key.pub --private=key.priv >/dev/null
flush
tpm2_load --parent-context=0x81000200 --public=key.pub --private=key.priv --key-context=key.ctx >/dev/null
flush
tpm2_evictcontrol --hierarchy=o --object-context=key.ctx 0x81000201 >/dev/null
flush

tssgetrandom -by 16 -ns -of random >/dev/null
size random
printf 'to be signed' >message
tsscreateprimary -hi o -ecc nistp256 -opu primary.pub >/dev/null
flush
od -An -v -tx1 primary.pub
tsscreateprimary -hi n -rsa -si -opem primary.pem >/dev/null
flush
tsscreate -hp 81000200 -ecc nistp256 -si -kt f -kt p -opu new.pub -opr new.priv
flush
tssload -hp 81000200 -ipu new.pub -ipr new.priv >/dev/null
flush
tssreadpublic -ho 81000200
tsssign -hk 81000201 -ecc -if message -os message.sig
tssverifysignature -hk 81000201 -ecc -if message -is message.sig && echo verified
tsshash -if message -oh message.hash
od -An -v -tx1 message.hash
tsspcrreset -ha 16
tsspcrextend -ha 16 -ic 'an event'
tsspcrread -ha 16
tssquote -hp 16 -hk 81000201 -salg ecc -os quote.sig -oa quote
tsscertify -hk 81000201 -ho 81000200 -salg ecc -os certify.sig -oa certify
tssnvdefinespace -hi o -ha 01500030 -sz 8 -pwdn pass
tssnvwrite -ha 01500030 -pwdn pass -ic 12345678
tssnvread -ha 01500030 -pwdn pass -sz 8
tssnvundefinespace -hi o -ha 01500030
tssgetcapability -cap 1 -pr 81000000
tssgetcapability -cap 1 -pr 80000000
tpm2_evictcontrol --hierarchy=o --object-context=0x81000200 >/dev/null
tpm2_evictcontrol --hierarchy=o --object-context=0x81000201 >/dev/null
