. "$FLOWS/lib.sh"
printf 'kept in the TPM' >data
tpm2_nvdefine 0x01500016 --size=32 --attributes='ownerread|ownerwrite|authread|authwrite' --index-auth=pass
tpm2_nvreadpublic 0x01500016
tpm2_nvwrite 0x01500016 --auth=pass --input=data
tpm2_nvread 0x01500016 --auth=pass --size=15
echo
tpm2_nvread 0x01500016 --hierarchy=o --size=6 --offset=9
echo
refused "a wrong password" tpm2_nvread 0x01500016 --auth=bad --size=4
refused "past the end" tpm2_nvread 0x01500016 --auth=pass --size=4 --offset=40
tpm2_nvdefine 0x01500017 --size=8 --attributes='nt=counter|authread|authwrite' >/dev/null
tpm2_nvincrement 0x01500017
tpm2_nvread 0x01500017 --size=8 >before
tpm2_nvincrement 0x01500017
tpm2_nvread 0x01500017 --size=8 >after
echo "counted $((0x$(od -An -tx1 after | tr -d ' \n') - 0x$(od -An -tx1 before | tr -d ' \n')))"
tpm2_getcap handles-nv-index
tpm2_nvundefine 0x01500016
tpm2_nvundefine 0x01500017
tpm2_getcap handles-nv-index
tpm2_dictionarylockout --clear-lockout
