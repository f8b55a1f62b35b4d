using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Character;

/// <summary>
/// A character device of this process (CUSE): opening it, reading, writing and polling it are requests to a filesystem,
/// as those of a file on a mount are. The filesystem has one file; its number in requests is 0.
/// </summary>
/// <remarks>
/// The device lives as long as the descriptor of its connection. A request is served as on a mount, with these
/// differences of the kernel's: there is no size, no offset, no flush, and a release is waited for. What is said of
/// <see cref="FuseSession"/> holds for the session; making and removing a device may take long, since the kernel waits
/// for whoever lists /dev. One thread at a time, but for <see cref="Ending"/>.
/// </remarks>
public sealed class CharacterDevice : IDisposable
{
    /// <summary>What makes devices.</summary>
    public const string Maker = "/dev/cuse";

    private static readonly TimeSpan s_makingLimit = TimeSpan.FromSeconds(10);

    private readonly string _name;
    private readonly SafeFileHandle _connection;
    private readonly FuseSession _session;
    private readonly DeviceNumbers _numbers;
    private readonly DeviceFile _file;

    private CharacterDevice(
        string name, SafeFileHandle connection, FuseSession session, DeviceNumbers numbers, DeviceFile file)
    {
        _name = name;
        _connection = connection;
        _session = session;
        _numbers = numbers;
        _file = file;
        numbers.Made(file.Number);
    }

    /// <summary>Completes when the device is gone, or is about to go, and why.</summary>
    public Task<FuseSessionEnd> Ending => _session.Ending;

    /// <summary>Makes a device, which only root may open at first.</summary>
    /// <param name="name">See <see cref="DeviceName"/>.</param>
    /// <param name="numbers">Gives the device its number.</param>
    /// <param name="fileSystem">Is asked for what clients do.</param>
    /// <param name="options">How the device is served.</param>
    /// <param name="log">Learns what a person should know.</param>
    /// <param name="device">The device.</param>
    /// <param name="problem">What is wrong, where, and what to do.</param>
    public static bool TryMake(
        string name, DeviceNumbers numbers, FuseFileSystem fileSystem, FuseSessionOptions options, IFuseLog log,
        [NotNullWhen(true)] out CharacterDevice? device, out string problem)
    {
        device = null;
        string path = DeviceName.PathOf(name);
        if (!DeviceName.IsValid(name))
        {
            problem = $"'{OutsideText.Line(name)}' is no name of a device";
            return false;
        }

        if (IsThere(path))
        {
            problem = $"{path} is there already, and it is not one of this daemon's devices; choose another name";
            return false;
        }

        Errno error = FileCalls.Open(Maker, OpenOptions.ReadWrite, mode: 0, out SafeFileHandle connection);
        if (error.IsError)
        {
            problem = WhyNoMaker(error);
            return false;
        }

        DeviceFile.MakeDirectories(name);
        var negotiation = new CharacterNegotiation(name, numbers.Next(), options.MaxWrite, log);
        var session = new FuseSession(connection, fileSystem, options, negotiation, log);
        session.Start();
        problem = $"the kernel did not make {path} within {s_makingLimit.TotalSeconds:0} s";
        if (Task.WaitAny([session.Initialised, session.Ending], s_makingLimit) >= 0
            && DeviceFile.TryFind(name, out DeviceFile? file, out problem))
        {
            device = new CharacterDevice(name, connection, session, numbers, file!);
            return true;
        }

        session.Stop();
        connection.Dispose();
        DeviceFile.RemoveDirectories(name);
        return false;
    }

    /// <summary>
    /// Returns why there is no way to make devices here; empty where there is one, or where this user cannot tell.
    /// </summary>
    public static string WhyNone()
    {
        Errno error = FileCalls.Open(Maker, OpenOptions.ReadWrite, mode: 0, out SafeFileHandle file);
        file.Dispose();
        return error.IsError && error != Errno.EACCES ? WhyNoMaker(error) : "";
    }

    /// <summary>Sets who may open the device.</summary>
    /// <returns>The error; nobody but root may open the device then.</returns>
    public Errno SetAccess(DeviceAccess access) => _file.SetAccess(access);

    /// <summary>
    /// Removes the device's file, so that no process finds the device any more. What is open goes on being served.
    /// </summary>
    public void Hide() => _ = _file.Remove();

    /// <summary>
    /// Ends the session and removes the device. Reads that wait get ENODEV; what is still open gives ENOTCONN then.
    /// </summary>
    public void Dispose()
    {
        _session.Stop();
        _file.Dispose();
        _connection.Dispose();
        _numbers.Gone();
        DeviceFile.RemoveDirectories(_name);
    }

    private static bool IsThere(string path)
    {
        Errno error = FileCalls.Open(
            path, OpenOptions.PathOnly | OpenOptions.NoFollow, mode: 0, out SafeFileHandle file);
        file.Dispose();
        return error != Errno.ENOENT;
    }

    private static string WhyNoMaker(Errno error) =>
        error == Errno.ENOENT || error == Errno.ENODEV || error == Errno.ENXIO
            ? $"{Maker} is not there: the kernel has no module cuse, or has not loaded it. Type: modprobe cuse. Where "
                + "there is no such module, install it (RHEL, Fedora: dnf install kernel-modules-extra; Debian, "
                + "Ubuntu: the kernel package of a cloud image may lack it)"
        : error == Errno.EACCES ? $"{Maker} may be used by root only; run tpmfs as root"
        : error == Errno.EPERM
            ? $"{Maker} is not allowed here. In a container: --device {Maker}; in a unit of systemd: "
                + $"DeviceAllow={Maker} rw, and load the module before the service starts"
        : $"{Maker} cannot be opened: {error.Text()}";
}
