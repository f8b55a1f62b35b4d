using System.Diagnostics;
using Mono.Unix.Native;
using Serilog;
using Serilog.Core;
using TpmFs.Cdi;
using TpmFs.Configuration;
using TpmFs.Doors.DBus;
using TpmFs.Doors.Device;
using TpmFs.Fuse;
using TpmFs.Fuse.Mount;
using TpmFs.Fuse.Session;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Mirror;
using TpmFs.Permissions;
using TpmFs.Rm;
using TpmFs.State;
using TpmFs.Systemd;
using TpmFs.Tree;
using TpmFs.Tree.Status;

namespace TpmFs.Host;

/// <summary>
/// A daemon from its mount to its end. It ends when it is told to, or when somebody unmounts it: no new opens, what
/// runs ends and the TPMs are given back, the session's threads are joined, unmount. Or it leaves everything to the
/// next daemon (<see cref="Departure"/>).
/// </summary>
internal sealed class Serving(
    DaemonPlan plan, ServedParts parts, Succession succession, Signals signals, ILogger log)
{
    private static readonly TimeSpan s_patienceInSilence = TimeSpan.FromSeconds(1);

    private readonly ServiceManager _service = succession.Service;
    private readonly FuseLog _fuseLog = new(log);
    private FuseTakenOver _requests;

    private string Description =>
        $"serving {string.Join(", ", parts.Tpms.All.Select(tpm => tpm.Plan.Way))} at {plan.Places.MountPoint}";

    /// <summary>Mounts, and serves to the end.</summary>
    /// <returns>The exit code.</returns>
    public int Run()
    {
        var opener = new MountOpener(plan.Places, parts.Doors, succession, _fuseLog, log);
        if (!opener.TryOpen(out FuseMount? mount, out string? problem))
        {
            return ExitCode.Problem(problem);
        }

        using (mount)
        using (FuseSession session = NewSession(mount))
        {
            signals.OnSecond(mount.Unmount);
            parts.Status.Show(() => session.Scheduling);
            _requests = parts.Devices.GoOn();
            session.Start();
            _requests += session.TakenOver;
            Task.WaitAny(session.Initialised, session.Ending, signals.Asked);
            using IDisposable? watchdog = _service.Watch(session.BeatAsync);
            if (session.Initialised.IsCompletedSuccessfully)
            {
                SayReady(session);
            }

            using BusDoor? bus = OpenBus();
            ServeToTheEnd(session, bus);
            return End(session, mount, bus);
        }
    }

    /// <summary>Opens the door for clients of tpm2-abrmd; null where none is configured.</summary>
    private BusDoor? OpenBus()
    {
        BusDoor? bus =
            plan.Settings.Tabrmd is { } tabrmd ? BusDoor.Open(tabrmd, parts.Tree.BusAdmission, log) : null;
        if (bus is not null)
        {
            parts.Status.ShowBus(() => bus.Status);
        }

        return bus;
    }

    private FuseSession NewSession(FuseMount mount) => new(
        mount,
        parts.Tree.FileSystem,
        SessionOptions.OfMount(plan, parts.Tpms) with
        {
            Records = parts.Doors.Store,
            IsKept = mount.IsTakenOver && (parts.Doors.IsYounger || parts.Doors.Store is null),
        },
        _fuseLog);

    private void SayReady(FuseSession session)
    {
        parts.Devices.Start();
        parts.Cdi?.Start();
        succession.Mirrors.Prove();
        ProgramFiles.LoadAll(log); // Requests are served meanwhile.
        _service.Ready(Description);
        if (succession.IsTakingOver)
        {
            new TakeoverReport(parts, succession, plan.Places.MountPoint, log).Say(_requests);
        }
        else
        {
            ReadyReport.Say(parts.Tpms.All, plan.Places.MountPoint, log);
        }
    }

    /// <summary>Serves until the session ends, or somebody asks the daemon to end.</summary>
    private void ServeToTheEnd(FuseSession session, BusDoor? bus)
    {
        var departure = new Departure(
            () => StopServing(session, bus), FlushLog, () => signals.Asked.IsCompleted, signals.LeaveToNext, log);
        while (true)
        {
            switch (Task.WaitAny(session.Ending, signals.Asked, signals.ReloadAsked, signals.HandOverAsked))
            {
                case 2:
                    signals.Reloading();
                    _service.Reloading();
                    Reload();
                    parts.Devices.Retry();
                    parts.Cdi?.Refresh();
                    _service.Ready(Description);
                    break;
                case 3:
                    signals.HandingOver();
                    departure.LeaveTo(plan.Successor, succession.Kept);
                    break;
                case 1 when _service.IsThere && SystemdJobs.IsRestarting():
                    _service.Stopping();
                    departure.LeaveToServiceManager();
                    return;
                default:
                    return;
            }
        }
    }

    /// <summary>
    /// Ends what runs, so that the next daemon finds little to do over again. Requests are served while a TPM takes
    /// long with its last command, so that only those who wait for a TPM wait.
    /// </summary>
    /// <returns>When requests were served no more, as Stopwatch.GetTimestamp counts.</returns>
    private long StopServing(FuseSession session, BusDoor? bus)
    {
        bus?.Close(); // exec closes sockets, and would wait for descriptors that clients sent over them
        parts.Tpms.Halt();
        long stoppedAt = Stopwatch.GetTimestamp();
        session.LetGo();
        parts.Devices.LetGo();
        parts.State.Dispose();
        return stoppedAt;
    }

    private void FlushLog() => (log as Logger)?.Dispose();

    private int End(FuseSession session, FuseMount mount, BusDoor? bus)
    {
        _service.Stopping();
        bool isAsked = !session.Ending.IsCompleted;
        if (isAsked)
        {
            log.Of(EventType.Ended)
                .Information("{Signal}: unmounting {MountPoint}", signals.Asked.Result, mount.MountPoint);
        }
        else
        {
            SayEnded(session.Ending.Result, mount.MountPoint);
        }

        parts.Tree.FileSystem.RefuseOpens();
        parts.Devices.RefuseOpens();
        bus?.Close();
        GiveBack();
        parts.Devices.Dispose();
        session.Stop();
        succession.Kept.DropAll();
        mount.Unmount();
        parts.Cdi?.Dispose();
        return isAsked ? ExitCode.Ok : ExitCode.Failed;
    }

    /// <summary>Logs why the daemon ends though nobody asked it to.</summary>
    private void SayEnded(FuseSessionEnd end, string mountPoint) => log.Of(EventType.Ended).Error(
        end == FuseSessionEnd.Refused
            ? "the kernel's FUSE protocol is too old, so {MountPoint} is not served: "
                + "tpmfs needs Linux 5.4 or newer (uname -r)"
            : "another process unmounted {MountPoint}, or aborted its connection; tpmfs ends",
        mountPoint);

    /// <summary>Waits for what the TPMs are at, and says so where it takes long.</summary>
    private void GiveBack()
    {
        var given = Task.Run(parts.Tpms.Dispose);
        if (!given.Wait(s_patienceInSilence))
        {
            log.Information(
                "a TPM is still executing a command; tpmfs waits for it, 30 s at the most. A second signal ends tpmfs "
                    + "at once");
            given.Wait();
        }
    }

    /// <summary>Reads the configuration again. One that is not in order changes nothing.</summary>
    private void Reload()
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

        parts.Tree.Configure(settings, rm0);
        log.Of(EventType.Reloaded)
            .Information(
                "{File} is reloaded: users, domains, limits and rm0 are as it says now; its other keys take effect at "
                    + "the next start",
                plan.Config.Path);
    }
}

/// <summary>The parts that a daemon serves with.</summary>
/// <param name="Devices">The character devices of nodes.</param>
/// <param name="State">What was changed at run time.</param>
/// <param name="Doors">The mirror of openers, nodes and requests.</param>
internal sealed record ServedParts(
    ServedTpms Tpms, ServedTree Tree, ServedDevices Devices, DaemonStatus Status, StateKeeper State,
    OpenedMirror Doors)
{
    /// <summary>Gets what names the domains to container engines; null where nothing does.</summary>
    public CdiKeeper? Cdi { get; init; }
}
