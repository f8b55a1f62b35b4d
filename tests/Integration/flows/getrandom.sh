. "$FLOWS/lib.sh"
tpm2_getrandom --hex 32 >a
tpm2_getrandom --hex 32 >b
size a
size b
cmp -s a b && echo "the same bytes twice"
tpm2_getrandom --output=raw 16
size raw
