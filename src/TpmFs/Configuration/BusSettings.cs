using Tmds.DBus.Protocol;

namespace TpmFs.Configuration;

/// <summary>The name to serve on D-Bus, and the bus.</summary>
/// <param name="Bus">The bus.</param>
/// <param name="Name">The name.</param>
internal sealed record BusSettings(BusKind Bus, string Name)
{
    /// <summary>The name that clients of tpm2-abrmd call.</summary>
    public const string TabrmdName = "com.intel.tss2.Tabrmd";

    /// <summary>Gets the bus's name for people.</summary>
    public string BusName => Bus == BusKind.Session ? "session" : "system";

    /// <summary>Gets the bus's address, from the environment or the usual one; null when it is not known.</summary>
    public string? Address => Bus == BusKind.Session ? DBusAddress.Session : DBusAddress.System;
}

/// <summary>The buses of a machine.</summary>
internal enum BusKind
{
    /// <summary>The machine's one bus.</summary>
    System,

    /// <summary>The bus of one user's session.</summary>
    Session,
}
