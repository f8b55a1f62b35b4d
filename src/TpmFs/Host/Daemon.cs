using Mono.Unix.Native;
using Serilog;
using TpmFs.Configuration;
using TpmFs.Doors.DBus;
using TpmFs.Doors.Device;
using TpmFs.Fuse;
using TpmFs.Fuse.Mount;
using TpmFs.Fuse.Session;
using TpmFs.Logs;
using TpmFs.Permissions;
using TpmFs.Rm;
using TpmFs.State;
using TpmFs.Systemd;
using TpmFs.Tree;
using TpmFs.Tree.Status;
using TpmFs.Users;

namespace TpmFs.Host;

/// <summary>
/// The daemon from its start to its exit code. Start: directories, TPM, mount, session. Stop: no new opens, what runs
/// ends and the TPM is given back, the session's threads are joined, unmount.
/// </summary>
internal static class Daemon
{
    /// <summary>
    /// Larger than what a control file takes, so that an order that is too long comes in one piece and is refused
    /// whole.
    /// </summary>
    private const int MaxWrite = 128 * 1024;

    /// <summary>More than a TPM takes at once, so that a command that is too long comes in one piece.</summary>
    private const int MaxDeviceWrite = 64 * 1024;

    private static readonly TimeSpan s_patienceInSilence = TimeSpan.FromSeconds(1);

    public static int Run(DaemonPlan plan, ILogger log)
    {
        using var signals = new Signals();
        (uint uid, uint gid) = (Syscall.geteuid(), Syscall.getegid());
        (Places? places, Settings? settings) = (plan.Places, plan.Settings);
        if (!NodeOwner.TryOfRm0(
            uid, gid, settings.Mode, settings.Group, NodeOwner.FindGroup, out Access rm0, out string? warning,
            out string? problem)
            || !Directories.TryPrepare(
                places.StateDirectory, "state directory", "Name another with --state-dir DIR.", out problem)
            || !Directories.TryPrepare(
                places.RuntimeDirectory, "runtime directory", "tpmfs keeps its locks there.", out problem))
        {
            return ExitCode.Problem(problem);
        }

        if (warning is not null)
        {
            log.Warning("{Warning}", warning);
        }

        if (!Directories.TryLock(
            places.DaemonLock,
            $"another tpmfs serves {places.MountPoint}; stop it, or name another mount point and another --state-dir",
            out FileLock? mine, out problem))
        {
            return ExitCode.Problem(problem);
        }

        using FileLock claim = mine;
        if (!Directories.TryLock(
            places.StateLock,
            $"another tpmfs uses the state directory {places.StateDirectory}; stop it, or choose another directory "
                + "with --state-dir", out mine, out problem))
        {
            return ExitCode.Problem(problem);
        }

        using FileLock stateClaim = mine;
        if (!ServedTpms.TryStart(plan.Tpms, settings, log, out ServedTpms? tpms, out problem))
        {
            return ExitCode.Problem(problem);
        }

        using ServedTpms _ = tpms;

        // Disposed of after the tree, so that it is written when nothing changes it any more.
        using var state = new StateKeeper(new StateFile(places.StateDirectory), TimeProvider.System.GetUtcNow(), log);
        var status = new DaemonStatus([.. tpms.All.Select(tpm => tpm.Status)], TimeProvider.System);
        var maker = new CuseMaker(DeviceOptionsOf(plan, tpms), new FuseLog(log));
        using var devices = new ServedDevices(plan.Devices, maker, log);
        status.Show(devices.List);
        using var tree = new ServedTree(
            new TreeTpms([.. tpms.All.Select(tpm => tpm.Port)], tpms.All, status), settings,
            new TreeOwners(NodeOwner.OfRoot(uid, gid), rm0),
            new TreeSurroundings(new UserDatabase(), state, TimeProvider.System, log)
            { Payers = plan.Payers, Watcher = devices });
        return Serve(plan, tpms, (tree, devices, status), signals, ServiceManager.Find(log), log);
    }

    private static int Serve(
        DaemonPlan plan, ServedTpms tpms, (ServedTree Tree, ServedDevices Devices, DaemonStatus Status) served,
        Signals signals, ServiceManager service, ILogger log)
    {
        ServedTree tree = served.Tree;
        string serving =
            $"serving {string.Join(", ", tpms.All.Select(tpm => tpm.Plan.Way))} at {plan.Places.MountPoint}";
        var fuseLog = new FuseLog(log);
        if (!FuseMount.TryMount(MountOptionsOf(plan), fuseLog, out FuseMount? mount, out string? problem))
        {
            return ExitCode.Problem(problem);
        }

        using (mount)
        using (var session = new FuseSession(mount, tree.FileSystem, OptionsOf(plan, tpms), fuseLog))
        {
            signals.OnSecond(mount.Unmount);
            served.Status.Show(() => session.Scheduling);
            session.Start();
            Task.WaitAny(session.Initialised, session.Ending, signals.Asked);
            using IDisposable? watchdog = service.Watch(session.BeatAsync);
            if (session.Initialised.IsCompletedSuccessfully)
            {
                served.Devices.Start();
                service.Ready(serving);
                SayReady(tpms.All, mount.MountPoint, log);
            }

            using BusDoor? bus = OpenBus(plan, tree, served.Status, log);
            while (Task.WaitAny(session.Ending, signals.Asked, signals.ReloadAsked) == 2)
            {
                signals.Reloading();
                service.Reloading();
                Reload(plan, tree, log);
                served.Devices.Retry();
                service.Ready(serving);
            }

            service.Stopping();
            bool isAsked = !session.Ending.IsCompleted;
            SayEnds(isAsked ? null : session.Ending.Result, signals, mount.MountPoint, log);
            tree.FileSystem.RefuseOpens();
            served.Devices.RefuseOpens();
            bus?.Close();
            GiveBack(tpms, log);
            served.Devices.Dispose();
            session.Stop();
            mount.Unmount();
            return isAsked ? ExitCode.Ok : ExitCode.Failed;
        }
    }

    /// <summary>Opens the door for clients of tpm2-abrmd; null where none is configured.</summary>
    private static BusDoor? OpenBus(DaemonPlan plan, ServedTree tree, DaemonStatus status, ILogger log)
    {
        BusDoor? bus = plan.Settings.Tabrmd is { } tabrmd ? BusDoor.Open(tabrmd, tree.BusAdmission, log) : null;
        if (bus is not null)
        {
            status.ShowBus(() => bus.Status);
        }

        return bus;
    }

    private static FuseMountOptions MountOptionsOf(DaemonPlan plan) => new()
    {
        MountPoint = plan.Places.MountPoint,
        CreateMountPoint = plan.Places.IsDefaultMountPoint,
        AllowOther = Environment.IsPrivilegedProcess,
        LockFile = plan.Places.MountLock,
    };

    private static FuseSessionOptions OptionsOf(DaemonPlan plan, ServedTpms tpms) => new()
    {
        PosixAcl = true,
        MaxWrite = MaxWrite,

        // Each TPM may have one of the session's threads for a command that takes long; one is left for all else.
        Threads = tpms.All.Count + 1,
        Follow = FollowOf(plan, tpms),
    };

    /// <summary>A device leads to one TPM, and takes commands alone.</summary>
    private static FuseSessionOptions DeviceOptionsOf(DaemonPlan plan, ServedTpms tpms) => new()
    {
        MaxWrite = MaxDeviceWrite,
        Threads = 2,
        Follow = FollowOf(plan, tpms),
    };

    private static FollowOptions? FollowOf(DaemonPlan plan, ServedTpms tpms) => plan.Settings.FollowsClients
        ? new FollowOptions([.. tpms.All.Select<ServedTpm, Func<int>>(tpm => () => tpm.ServerProcess)])
        : null;

    /// <summary>Logs why the daemon ends.</summary>
    /// <param name="end">Why the session has ended; null when a signal asks for the end.</param>
    private static void SayEnds(FuseSessionEnd? end, Signals signals, string mountPoint, ILogger log)
    {
        if (end is null)
        {
            log.Of(EventType.Ended)
                .Information("{Signal}: unmounting {MountPoint}", signals.Asked.Result, mountPoint);
            return;
        }

        log.Of(EventType.Ended).Error(
            end == FuseSessionEnd.Refused
                ? "the kernel's FUSE protocol is too old, so {MountPoint} is not served: "
                    + "tpmfs needs Linux 5.4 or newer (uname -r)"
                : "another process unmounted {MountPoint}, or aborted its connection; tpmfs ends",
            mountPoint);
    }

    /// <summary>Waits for what the TPMs are at, and says so where it takes long.</summary>
    private static void GiveBack(ServedTpms tpms, ILogger log)
    {
        var given = Task.Run(tpms.Dispose);
        if (!given.Wait(s_patienceInSilence))
        {
            log.Information(
                "a TPM is still executing a command; tpmfs waits for it, 30 s at the most. A second signal ends tpmfs "
                    + "at once");
            given.Wait();
        }
    }

    /// <summary>Reads the configuration again. One that is not in order changes nothing.</summary>
    private static void Reload(DaemonPlan plan, ServedTree tree, ILogger log)
    {
        (uint uid, uint gid) = (Syscall.geteuid(), Syscall.getegid());
        if (!plan.Config.TryRead(out Settings? settings, out string? problem)
            || !NodeOwner.TryOfRm0(
                uid, gid, settings.Mode, settings.Group, NodeOwner.FindGroup, out Access rm0, out _, out problem))
        {
            log.Of(EventType.NotReloaded)
                .Error("the configuration is not reloaded; tpmfs goes on with the one that it had: {Problem}", problem);
            return;
        }

        tree.Configure(settings, rm0);
        log.Of(EventType.Reloaded)
            .Information(
                "{File} is reloaded: users, domains, limits and rm0 are as it says now; its other keys take effect at "
                    + "the next start",
                plan.Config.Path);
    }

    private static void SayReady(IReadOnlyList<ServedTpm> tpms, string mountPoint, ILogger log)
    {
        foreach (ServedTpm tpm in tpms)
        {
            SayReady(tpm, mountPoint, log);
        }

        if (!Console.IsOutputRedirected && tpms.FirstOrDefault(tpm => tpm.Port.CanBeManaged) is { } first)
        {
            Console.WriteLine("Try it from another terminal (Ctrl-C here unmounts):");
            Console.WriteLine($"  TPM2TOOLS_TCTI=device:{mountPoint}/{first.Port.ManagedName} tpm2_getrandom --hex 8");
        }
    }

    private static void SayReady(ServedTpm tpm, string mountPoint, ILogger log)
    {
        (string? managed, string? raw) = (tpm.Port.ManagedName, tpm.Port.RawName);
        switch (tpm.Port.Facts.Family)
        {
            case TpmFamily.Tpm20:
                log.Of(EventType.Ready)
                    .Information("{MountPoint}/{Node} is ready; its TPM is {Way}", mountPoint, managed, tpm.Plan.Way);
                break;
            case TpmFamily.Tpm12:
                log.Of(EventType.Ready).Warning(
                    "{MountPoint}/{Node} is ready. Its TPM, {Way}, is a TPM 1.2, whose handles tpmfs cannot manage, so "
                        + "there is no {Missing}",
                    mountPoint,
                    raw,
                    tpm.Plan.Way,
                    managed);
                break;
            default:
                log.Of(EventType.TpmLost)
                    .Warning(
                        "{MountPoint}/{Node} waits for its TPM, {Way}: {Problem}", mountPoint, managed, tpm.Plan.Way,
                        tpm.Status.Problem);
                break;
        }
    }
}
