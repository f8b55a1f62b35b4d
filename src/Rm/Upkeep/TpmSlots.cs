using TpmFs.Rm.Objects;
using TpmFs.Rm.Sessions;

namespace TpmFs.Rm.Upkeep;

/// <summary>Moves objects and sessions into and out of the TPM's slots.</summary>
internal sealed record TpmSlots(ObjectResidency Objects, SessionResidency Sessions);
