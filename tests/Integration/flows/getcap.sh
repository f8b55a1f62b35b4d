. "$FLOWS/lib.sh"
# Documented views: a managed space sees its own objects and sessions, and no context gap.
views='TPM2_PT_CONTEXT_GAP_MAX:|TPM2_PT_HR_LOADED:|TPM2_PT_HR_LOADED_AVAIL:'
views="$views|TPM2_PT_HR_ACTIVE:|TPM2_PT_HR_ACTIVE_AVAIL:|TPM2_PT_HR_TRANSIENT_AVAIL:"
for capability in $(tpm2_getcap --list | sed 's/^- //'); do
    echo "== $capability"
    case $capability in
    properties-fixed) tpm2_getcap "$capability" \
        | awk -v views="$views" '$0 ~ views { skip = 1; next } /^TPM2_/ { skip = 0 } !skip' ;;
    *) tpm2_getcap "$capability" | grep -Ev "$views" || true ;;
    esac
done
