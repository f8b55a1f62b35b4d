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
/// differences of the kernel's: there is no size, no offset, no flush, and a release is waited for. The remarks on <see
/// cref="FuseSession"/> hold for the session. Making and removing a device may take long, since the kernel waits for
/// every process that lists /dev. One thread at a time, but for <see cref="Ending"/>.
/// </remarks>
public sealed class CharacterDevice : IDisposable
{
    /// <summary>The kernel's file through which devices are made.</summary>
    public const string Maker = "/dev/cuse";

    private const uint MakerMajor = 10; // MISC_MAJOR of linux/major.h
    private const uint MakerMinor = 203; // CUSE_MINOR of linux/miscdevice.h

    private static readonly TimeSpan s_makingLimit = TimeSpan.FromSeconds(10);

    private readonly DevicePlan _plan;
    private readonly SafeFileHandle _connection;
    private readonly FuseSession _session;
    private readonly DeviceNumbers _numbers;
    private readonly DeviceFile _file;

    private CharacterDevice(
        DevicePlan plan, SafeFileHandle connection, FuseSession session, DeviceNumbers numbers, DeviceFile file)
    {
        _plan = plan;
        _connection = connection;
        _session = session;
        _numbers = numbers;
        _file = file;
        numbers.Made(file.Number);
    }

    /// <summary>Gets a task that completes when the device is gone, or is about to go. Its result says why.</summary>
    public Task<FuseSessionEnd> Ending => _session.Ending;

    /// <summary>Gets the requests of an earlier process that were served again.</summary>
    public FuseTakenOver TakenOver => _session.TakenOver;

    /// <summary>Makes a device, which only root may open at first.</summary>
    /// <param name="plan">The device that is wanted.</param>
    /// <param name="numbers">Gives the device its number.</param>
    /// <param name="log">Learns what a person should know.</param>
    /// <param name="device">The device.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy. Empty on success.</param>
    public static bool TryMake(
        DevicePlan plan, DeviceNumbers numbers, IFuseLog log, [NotNullWhen(true)] out CharacterDevice? device,
        out string problem)
    {
        device = null;
        string path = DeviceName.PathOf(plan.Name);
        if (!DeviceName.IsValid(plan.Name))
        {
            problem = $"'{OutsideText.Line(plan.Name)}' is no name of a device";
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

        DeviceFile.MakeDirectories(plan.Name);
        plan.Keep?.Invoke(connection);
        return TryServe(plan, connection, numbers, log, out device, out problem);
    }

    /// <summary>
    /// Goes on with a device that an earlier process has made: with its number, its file in /dev, and all that have it
    /// open. A device with which this process cannot go on ends.
    /// </summary>
    /// <param name="plan">The device that is wanted, with the records of the earlier process.</param>
    /// <param name="connection">The earlier process's descriptor. The device owns it.</param>
    /// <param name="numbers">Learns the device's number.</param>
    /// <param name="log">Learns what a person should know.</param>
    /// <param name="device">The device.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy. Empty on success.</param>
    public static bool TryAdopt(
        DevicePlan plan, SafeFileHandle connection, DeviceNumbers numbers, IFuseLog log,
        [NotNullWhen(true)] out CharacterDevice? device, out string problem)
    {
        device = null;
        if (!IsConnection(connection))
        {
            End(plan, connection);
            problem = $"the descriptor that was kept is none of {Maker}";
        }
        else if (TryServe(plan, connection, numbers, log, out device, out problem) && device.TakenOver.MayHang)
        {
            problem = "requests may be under way that are not known, and the kernel does not send them again; "
                + "Linux 6.9 and newer can";
            device.Dispose();
            device = null;
        }

        return device is not null;
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
    /// Removes the device's file, so that no process finds the device any more. Open files go on being served.
    /// </summary>
    public void Hide() => _ = _file.Remove();

    /// <summary>
    /// Serves no further request, and leaves the device to the next process, as <see cref="FuseSession.LetGo"/> has it.
    /// </summary>
    public void LetGo() => _session.LetGo();

    /// <summary>
    /// Ends the session and removes the device. Reads that wait get ENODEV. Files that are still open give ENOTCONN
    /// from then on.
    /// </summary>
    public void Dispose()
    {
        _session.Forget();
        _file.Dispose();
        End(_plan, _connection);
        _numbers.Gone(_file.Number);
    }

    private static void End(DevicePlan plan, SafeFileHandle connection)
    {
        plan.Drop?.Invoke();
        connection.Dispose();
        DeviceFile.AwaitEnd(plan.Name);
        DeviceFile.RemoveDirectories(plan.Name);
    }

    private static bool TryServe(
        DevicePlan plan, SafeFileHandle connection, DeviceNumbers numbers, IFuseLog log,
        [NotNullWhen(true)] out CharacterDevice? device, out string problem)
    {
        device = null;
        var negotiation = new CharacterNegotiation(plan.Name, numbers.Next(), plan.Options.MaxWrite, log);
        var session = new FuseSession(connection, plan.FileSystem, plan.Options, negotiation, log);
        session.Start();
        problem = $"the kernel did not make {DeviceName.PathOf(plan.Name)} within {s_makingLimit.TotalSeconds:0} s";
        if (Task.WaitAny([session.Initialised, session.Ending], s_makingLimit) >= 0
            && DeviceFile.TryFind(plan.Name, plan.IsHidden, out DeviceFile? file, out problem))
        {
            if (!session.Ending.IsCompleted)
            {
                device = new CharacterDevice(plan, connection, session, numbers, file);
                return true;
            }

            file.Dispose();
            problem = $"the kernel has ended the connection of {DeviceName.PathOf(plan.Name)}";
        }

        session.Forget();
        End(plan, connection);
        return false;
    }

    /// <summary>True when a descriptor is one of <see cref="Maker"/>, whose number the kernel never changes.</summary>
    private static bool IsConnection(SafeFileHandle descriptor) =>
        !FileCalls.ReadType(descriptor, out uint mode, out uint major, out uint minor).IsError
        && (mode & DeviceFile.TypeMask) == DeviceFile.CharacterDevice && (major, minor) == (MakerMajor, MakerMinor);

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
