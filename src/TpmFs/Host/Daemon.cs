using Mono.Unix.Native;
using Serilog;
using TpmFs.Cdi;
using TpmFs.Configuration;
using TpmFs.Doors.Device;
using TpmFs.Doors.Fuse;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Permissions;
using TpmFs.Records;
using TpmFs.State;
using TpmFs.Systemd;
using TpmFs.Tree;
using TpmFs.Tree.Status;
using TpmFs.Users;

namespace TpmFs.Host;

/// <summary>
/// The daemon's start: directories, locks, what the daemon before left, TPMs, tree. <see cref="Serving"/> does the
/// rest.
/// </summary>
internal static class Daemon
{
    public static int Run(DaemonPlan plan, ILogger log)
    {
        using var signals = new Signals();
        if (!ProcFs.Protect())
        {
            log.Debug("there is no procfs of the daemon's own: other threads look into /proc, with a time limit");
        }

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
        return Run(plan, new TreeOwners(NodeOwner.OfRoot(uid, gid), rm0), signals, log);
    }

    /// <summary>Runs a daemon that has its mount point and its state directory for itself.</summary>
    private static int Run(DaemonPlan plan, TreeOwners owners, Signals signals, ILogger log)
    {
        using var inherited = InheritedDescriptors.Receive();
        var succession = Succession.Begin(ServiceManager.Find(log), inherited, log);
        OpenedMirror doors = succession.OpenDoors(plan.Places.MountPoint, DoorRecords.Format, log);
        using var tpms = new ServedTpms(
            [.. plan.Tpms.Select(tpm => new ServedTpm(tpm, plan.Settings, succession, log))]);
        if (!succession.IsTakingOver && !tpms.TryStart(out string? problem))
        {
            return ExitCode.Problem(problem);
        }

        // Disposed of after the tree, so that it is written when nothing changes it any more.
        using var state = new StateKeeper(
            new StateFile(plan.Places.StateDirectory), TimeProvider.System.GetUtcNow(), log, doors.Store);
        var status = new DaemonStatus([.. tpms.All.Select(tpm => tpm.Status)], TimeProvider.System);
        var maker = new CuseMaker(
            SessionOptions.OfDevices(plan, tpms) with { Records = doors.Store }, succession, log);
        using var devices = new ServedDevices(plan.Devices, maker, new DeviceThread(log), log);
        status.Show(devices.List);
        using CdiKeeper? cdi = plan.Settings.CdiFile is { } file
            ? new CdiKeeper(file, plan.Places.MountPoint, devices.List, log) : null;
        devices.Settled += () => cdi?.Refresh();
        using var tree = new ServedTree(
            new TreeTpms([.. tpms.All.Select(tpm => tpm.Port)], tpms.All, status), plan.Settings, owners,
            new TreeSurroundings(new UserDatabase(), state, TimeProvider.System, log)
            {
                Payers = plan.Payers,
                Watcher = cdi is null ? devices : new TpmNodeWatchers([devices, cdi]),
                Door = devices,
                Records = doors.Store,
            });
        if (succession.IsTakingOver)
        {
            tpms.GoOn();
        }

        return new Serving(
            plan, new ServedParts(tpms, tree, devices, status, state, doors) { Cdi = cdi }, succession, signals, log)
            .Run();
    }
}
