using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>A mount whose daemon serves the name of tpm2-abrmd on a bus, too.</summary>
public sealed class BusMount : Mount
{
    public const string Name = "com.intel.tss2.Tabrmd";
    public const string Object = "/com/intel/tss2/Tabrmd/Tcti";
    public const string Interface = "com.intel.tss2.TctiTabrmd";

    public BusMount()
        : base("""{ "dbus": { "bus": "system" } }""", hasBus: true) => MessageBus.WaitForOwner(Name);

    internal MessageBus MessageBus => Bus!;
}
