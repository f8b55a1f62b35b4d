using Mono.Unix.Native;
using Serilog;
using TpmFs.CommandLine;
using TpmFs.Domains;
using TpmFs.Fuse;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Rm;
using TpmFs.State;
using TpmFs.Status;
using TpmFs.Users;

namespace TpmFs.Life;

/// <summary>
/// The daemon from its start to its exit code. Start: directories, TPM, mount, session. Stop: no new opens, what runs ends and the TPM is
/// given back, the session's threads are joined, unmount.
/// </summary>
internal static class Daemon
{
    /// <summary>Larger than what a control file takes, so that an order that is too long comes in one piece and is refused whole.</summary>
    private const int MaxWrite = 128 * 1024;

    public static int Run(DaemonPlan plan, ILogger log)
    {
        using var signals = new Signals();
        var (uid, gid) = (Syscall.geteuid(), Syscall.getegid());
        var (places, settings) = (plan.Places, plan.Settings);
        if (!NodeOwner.TryOfRm0(uid, gid, settings.Mode, settings.Group, NodeOwner.FindGroup, out var rm0, out var warning, out var problem)
            || !Directories.TryPrepare(places.StateDirectory, "state directory", "Name another with --state-dir DIR.", out problem)
            || !Directories.TryPrepare(places.RuntimeDirectory, "runtime directory", "tpmfs keeps its locks there.", out problem))
        {
            return ExitCode.Problem(problem);
        }

        if (warning is not null)
        {
            log.Warning("{Warning}", warning);
        }

        using var claim = Directories.TryLock(places.DaemonLock);
        if (claim is null)
        {
            return ExitCode.Problem($"another tpmfs serves {places.MountPoint}; stop it, or name another mount point and another --state-dir");
        }

        using var manager = new ResourceManager(plan.Transport, ManagerOptions.For(plan.Tpm, settings), TimeProvider.System, new ManagerLog(log));
        if (!manager.TryStart(out problem))
        {
            return ExitCode.Problem(problem);
        }

        // Disposed of after the tree, so that it is written when nothing changes it any more.
        using var state = new StateKeeper(new StateFile(places.StateDirectory), TimeProvider.System.GetUtcNow(), log);
        var port = new TpmPort(
            new TpmDoor(manager.MaxCommandSize, manager.OpenSpace),
            new TpmDoor(manager.MaxCommandSize, (owner, client) => manager.TryOpenRaw(owner, client, out var space) ? space : null),
            plan.Transport.Features.HighestLocality,
            manager.EndGroup);
        var status = new DaemonStatus(plan.Tpm, new TpmStatus(manager.Description, () => manager.IsTpmThere), TimeProvider.System);
        using var tree = new Tree(port, status, settings, NodeOwner.OfRoot(uid, gid), rm0, new UserDatabase(), state, TimeProvider.System, log);
        return Serve(plan, manager, tree, signals, ServiceManager.Find(log), log);
    }

    private static int Serve(DaemonPlan plan, ResourceManager manager, Tree tree, Signals signals, ServiceManager service, ILogger log)
    {
        var serving = $"serving {plan.Tpm} at {plan.Places.MountPoint}";
        var fuseLog = new FuseLog(log);
        var options = new FuseMountOptions
        {
            MountPoint = plan.Places.MountPoint,
            CreateMountPoint = plan.Places.IsDefaultMountPoint,
            AllowOther = Environment.IsPrivilegedProcess,
            LockFile = plan.Places.MountLock,
        };
        if (!FuseMount.TryMount(options, fuseLog, out var mount, out var problem))
        {
            return ExitCode.Problem(problem);
        }

        using (mount)
        using (var session = new FuseSession(mount, tree.FileSystem, new FuseSessionOptions { PosixAcl = true, MaxWrite = MaxWrite }, fuseLog))
        {
            signals.OnSecond(mount.Unmount);
            session.Start();
            Task.WaitAny(session.Initialised, session.Ended, signals.Asked);
            using var watchdog = service.Watch(session.BeatAsync);
            if (session.Initialised.IsCompletedSuccessfully)
            {
                service.Ready(serving);
                SayReady(plan.Tpm, mount.MountPoint, log);
            }

            while (Task.WaitAny(session.Ended, signals.Asked, signals.ReloadAsked) == 2)
            {
                signals.Reloading();
                service.Reloading();
                Reload(plan, tree, log);
                service.Ready(serving);
            }

            service.Stopping();
            if (session.Ended.IsCompleted)
            {
                log.Of(EventType.Ended).Error(
                    session.Ended.Result == FuseSessionEnd.Refused
                        ? "the kernel and tpmfs do not speak the same FUSE protocol; {MountPoint} is not served"
                        : "{MountPoint} was unmounted, or its connection aborted, by somebody else; tpmfs ends",
                    mount.MountPoint);
                return ExitCode.Failed;
            }

            log.Of(EventType.Ended).Information("{Signal}: unmounting {MountPoint}", signals.Asked.Result, mount.MountPoint);
            tree.FileSystem.RefuseOpens();
            manager.Dispose();
            session.Stop();
            mount.Unmount();
            return ExitCode.Ok;
        }
    }

    /// <summary>Reads the configuration again. One that is not in order changes nothing.</summary>
    private static void Reload(DaemonPlan plan, Tree tree, ILogger log)
    {
        var (uid, gid) = (Syscall.geteuid(), Syscall.getegid());
        if (!plan.Config.TryRead(out var settings, out var problem)
            || !NodeOwner.TryOfRm0(uid, gid, settings.Mode, settings.Group, NodeOwner.FindGroup, out var rm0, out _, out problem))
        {
            log.Of(EventType.NotReloaded).Error("the configuration is not reloaded, and what held goes on: {Problem}", problem);
            return;
        }

        tree.Configure(settings, rm0);
        log.Of(EventType.Reloaded).Information("{File} is reloaded: users, domains, limits, and rm0; the rest of it holds from the next start on", plan.Config.Path);
    }

    private static void SayReady(string tpm, string mountPoint, ILogger log)
    {
        log.Of(EventType.Ready).Information("{MountPoint}/rm0 is ready; its TPM is {Tpm}", mountPoint, tpm);
        if (!Console.IsOutputRedirected)
        {
            Console.WriteLine("Try it from another terminal (Ctrl-C here unmounts):");
            Console.WriteLine($"  TPM2TOOLS_TCTI=device:{mountPoint}/rm0 tpm2_getrandom --hex 8");
        }
    }
}
