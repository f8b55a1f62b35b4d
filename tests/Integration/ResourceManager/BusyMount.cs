using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// A mount whose daemon never finds its TPM idle: every command that the proxy sees is there because of a client's, and
/// what is in the TPM leaves it for want of room alone, however slow the machine is.
/// </summary>
public sealed class BusyMount() : Mount("""{ "idle_release": "1h" }""");
