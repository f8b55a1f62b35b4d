using Serilog;
using TpmFs.Logs;
using TpmFs.Systemd;

namespace TpmFs.HandOver;

/// <summary>
/// The connections and memory that a daemon has from the one before it, and leaves to the one after it.
/// </summary>
/// <param name="Service">The service manager, which keeps descriptors for the case that the daemon is killed.</param>
/// <param name="Inherited">The descriptors that the daemon before left.</param>
/// <param name="Kept">The descriptors that the daemon after gets.</param>
/// <param name="Mirrors">The memories among them.</param>
/// <param name="IsTakingOver">True when the daemon before left a mount, whose openers this one goes on with.</param>
internal sealed record Succession(
    ServiceManager Service, InheritedDescriptors Inherited, KeptDescriptors Kept, Mirrors Mirrors, bool IsTakingOver)
{
    /// <summary>The name of the connection to the kernel's FUSE.</summary>
    public const string Connection = "fuse";

    /// <summary>Begins the names of character devices' connections; the device's name follows.</summary>
    public const string OfDevice = "device-";

    /// <summary>The name of the mirror of the doors: openers, nodes, requests.</summary>
    private const string Doors = "doors";

    /// <summary>Finds out what the daemon before left.</summary>
    public static Succession Begin(ServiceManager service, InheritedDescriptors inherited, ILogger log)
    {
        var kept = new KeptDescriptors(service, log);
        bool isTakingOver = inherited.Names.Contains(Connection);
        if (!isTakingOver)
        {
            inherited.Take(Doors)?.Dispose(); // It is about a mount that is gone.
        }

        return new Succession(service, inherited, kept, new Mirrors(inherited, kept, log), isTakingOver);
    }

    /// <summary>
    /// Returns the name of a TPM's mirror; the names of what leads to it begin with the same and a hyphen.
    /// </summary>
    public static string OfTpm(int number) => $"tpm{number}";

    /// <summary>
    /// Closes the inherited descriptors that this daemon has not taken, and has the service manager close its
    /// duplicates of all that this daemon does not go on with. A later daemon would take what is out of date for what
    /// there is, and a TPM's device would stay in use.
    /// </summary>
    public void ForgetRest()
    {
        Inherited.Dispose();
        Kept.ForgetOthers(Inherited.Received);
    }

    /// <summary>
    /// Opens the mirror of the doors. Where there is a mount and no mirror of it, its openers are lost.
    /// </summary>
    public OpenedMirror OpenDoors(string mountPoint, uint format, ILogger log)
    {
        OpenedMirror opened = Mirrors.Open(Doors, mountPoint, format, isThere: IsTakingOver);
        if (IsTakingOver && !opened.IsAdopted)
        {
            log.Of(EventType.NotTakenOver).Warning(
                "what the openers at {MountPoint} have open is not taken over, and they get \"No such device\": "
                    + "what the daemon before kept cannot be used: {Problem}",
                mountPoint, opened.Problem.Length > 0 ? opened.Problem : "it is not there");
        }

        return opened;
    }
}
