. "$FLOWS/lib.sh"
# tpm2-openssl: a CMS signature and a TLS handshake whose private key never leaves the TPM. A bare TPM has too few slots
# to do the digests of a handshake as well; with DIGESTS=tpm2 they are asked of it too.
export TPM2OPENSSL_TCTI="$TPM2TOOLS_TCTI" OPENSSL_CONF=openssl.cnf
case ${DIGESTS-default} in
tpm2) properties='?provider=tpm2' ;;
default) properties='?provider=tpm2,tpm2.digest!=yes' ;;
esac
cat >openssl.cnf <<END
openssl_conf = openssl
[openssl]
providers = providers
alg_section = algorithms
[providers]
tpm2 = activate
default = activate
[activate]
activate = 1
[algorithms]
default_properties = $properties
[req]
distinguished_name = name
[name]
END

openssl genpkey -algorithm EC -pkeyopt group:P-256 -out key.pem
head -n 1 key.pem
openssl req -x509 -new -key key.pem -subj /CN=localhost -days 1 -out cert.pem

echo "to be signed" >message
openssl cms -sign -md sha256 -in message -signer cert.pem -inkey key.pem -out message.cms
OPENSSL_CONF= openssl cms -verify -in message.cms -CAfile cert.pem -purpose any

openssl s_server -unix server -naccept 1 -key key.pem -cert cert.pem -www >server.log 2>&1 &
waited=0
until [ -S server ] || [ $((waited += 1)) -gt 500 ]; do sleep 0.02; done
echo "GET / HTTP/1.0" | OPENSSL_CONF= openssl s_client -unix server -CAfile cert.pem -verify_return_error -quiet \
    -ign_eof >client.log 2>&1 || cat client.log
wait $! || cat server.log
sed -n 's/.*\(TLSv1.3\).*\(Cipher is .*\)/\1 \2/p; s/^HTTP.*200 ok.*/answered/p' client.log
