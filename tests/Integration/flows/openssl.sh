. "$FLOWS/lib.sh"
# tpm2-openssl: a CMS signature and a TLS handshake whose private key never leaves the TPM. A bare TPM has too few slots to do the
# digests of a handshake as well; with DIGESTS=tpm2 they are asked of it too: the provider that is named first is asked first.
export TPM2OPENSSL_TCTI="$TPM2TOOLS_TCTI"
case ${DIGESTS-default} in
tpm2) tpm="-provider tpm2 -provider default" ;;
default) tpm="-provider default -provider tpm2" ;;
esac
openssl genpkey -provider tpm2 -provider default -propquery '?provider=tpm2' -algorithm EC -pkeyopt group:P-256 -out key.pem
head -n 1 key.pem
openssl req $tpm -x509 -new -key key.pem -subj /CN=localhost -days 1 -out cert.pem

echo "to be signed" >message
openssl cms $tpm -sign -md sha256 -in message -signer cert.pem -inkey key.pem -out message.cms
openssl cms -verify -in message.cms -CAfile cert.pem -purpose any

openssl s_server $tpm -unix server -naccept 1 -key key.pem -cert cert.pem -www >server.log 2>&1 &
waited=0
until [ -S server ] || [ $((waited += 1)) -gt 500 ]; do sleep 0.02; done
echo "GET / HTTP/1.0" | openssl s_client -unix server -CAfile cert.pem -verify_return_error -quiet -ign_eof >client.log 2>&1 || cat client.log
wait $! || cat server.log
sed -n 's/.*\(TLSv1.3\).*\(Cipher is .*\)/\1 \2/p; s/^HTTP.*200 ok.*/answered/p' client.log
