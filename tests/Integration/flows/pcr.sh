. "$FLOWS/lib.sh"
tpm2_pcrreset 16
tpm2_pcrread sha1:0,16+sha256:0,7,16,23
digest=00112233445566778899aabbccddeeff
tpm2_pcrextend "16:sha1=${digest}00112233,sha256=$digest$digest"
tpm2_pcrread sha1:16+sha256:16+sha384:16
echo "an event" >event
tpm2_pcrevent 16 event
tpm2_pcrread sha256:16
tpm2_pcrreset 16
tpm2_pcrread
