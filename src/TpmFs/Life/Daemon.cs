using Mono.Unix.Native;
using Serilog;
using TpmFs.CommandLine;
using TpmFs.Fuse;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Rm;

namespace TpmFs.Life;

/// <summary>
/// The daemon from its start to its exit code. Start: directories, TPM, mount, session. Stop: no new opens, what runs ends and the TPM is
/// given back, the session's threads are joined, unmount.
/// </summary>
internal static class Daemon
{
    public static int Run(DaemonPlan plan, ILogger log)
    {
        using var signals = new StopSignals();
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

        using var tree = new Tree(new TpmPort(manager.MaxCommandSize, manager.OpenSpace), settings, NodeOwner.OfRoot(uid, gid), rm0, TimeProvider.System, log);
        return Serve(plan, manager, tree.FileSystem, signals, log);
    }

    private static int Serve(DaemonPlan plan, ResourceManager manager, TreeFileSystem fileSystem, StopSignals signals, ILogger log)
    {
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
        using (var session = new FuseSession(mount, fileSystem, new FuseSessionOptions(), fuseLog))
        {
            signals.OnSecond(mount.Unmount);
            session.Start();
            Task.WaitAny(session.Initialised, session.Ended, signals.Asked);
            if (session.Initialised.IsCompletedSuccessfully)
            {
                SayReady(plan.Tpm, mount.MountPoint, log);
            }

            Task.WaitAny(session.Ended, signals.Asked);
            if (session.Ended.IsCompleted)
            {
                log.Error(
                    session.Ended.Result == FuseSessionEnd.Refused
                        ? "the kernel and tpmfs do not speak the same FUSE protocol; {MountPoint} is not served"
                        : "{MountPoint} was unmounted, or its connection aborted, by somebody else; tpmfs ends",
                    mount.MountPoint);
                return ExitCode.Failed;
            }

            log.Information("{Signal}: unmounting {MountPoint}", signals.Asked.Result, mount.MountPoint);
            fileSystem.RefuseOpens();
            manager.Dispose();
            session.Stop();
            mount.Unmount();
            return ExitCode.Ok;
        }
    }

    private static void SayReady(string tpm, string mountPoint, ILogger log)
    {
        log.Information("{MountPoint}/rm0 is ready; its TPM is {Tpm}", mountPoint, tpm);
        if (!Console.IsOutputRedirected)
        {
            Console.WriteLine("Try it from another terminal (Ctrl-C here unmounts):");
            Console.WriteLine($"  TPM2TOOLS_TCTI=device:{mountPoint}/rm0 tpm2_getrandom --hex 8");
        }
    }
}
