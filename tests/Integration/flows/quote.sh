. "$FLOWS/lib.sh"
tpm2_pcrreset 16 23
tpm2_pcrextend 23:sha256=00000000000000000000000000000000000000000000000000000000000000ff
tpm2_createek --ek-context=ek.ctx --key-algorithm=ecc --public=ek.pub
flush
tpm2_createak --ek-context=ek.ctx --ak-context=ak.ctx --key-algorithm=ecc --hash-algorithm=sha256 \
    --signing-algorithm=ecdsa \
    --public=ak.pem --format=pem --ak-name=ak.name >/dev/null
flush
tpm2_quote --key-context=ak.ctx --pcr-list=sha256:16,23 --qualification=c0ffee --message=quote.msg \
    --signature=quote.sig \
    --pcr=quote.pcrs --hash-algorithm=sha256 | sed -n '/^pcrs:/,/^calcDigest/p'
flush
tpm2_checkquote --public=ak.pem --message=quote.msg --signature=quote.sig --pcr=quote.pcrs --qualification=c0ffee \
    --hash-algorithm=sha256 \
    | sed '/^sig:/d'
refused "another nonce" tpm2_checkquote --public=ak.pem --message=quote.msg --signature=quote.sig --pcr=quote.pcrs \
    --qualification=c0ffef --hash-algorithm=sha256
