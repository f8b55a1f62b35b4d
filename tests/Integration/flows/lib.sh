# What every flow begins with. A flow is run twice, with TPM2TOOLS_TCTI naming a bare swtpm and a TpmFs node, in an
# empty directory of its own; what it prints on standard output must be the same, so it prints nothing that is random.
set -eu

# A bare TPM keeps the objects that a tool leaves behind, three at most; through a managed node there are none to find.
flush() {
    tpm2_flushcontext --transient-object
}

# Runs a command that must fail and prints the TPM's code for it, less the layer that a resource manager puts on its
# own.
refused() {
    what=$1
    shift
    if "$@" >refused.out 2>&1; then
        echo "$what: not refused"
    else
        code=$(sed -n 's/.* Esys_[A-Za-z_]*(0x\(B0\)\{0,1\}\([0-9A-F]*\)).*/\2/p' refused.out | head -n 1)
        echo "$what: refused" "$code"
    fi
}

# The size in bytes of a file, for contents that are random.
size() {
    wc -c <"$1"
}
