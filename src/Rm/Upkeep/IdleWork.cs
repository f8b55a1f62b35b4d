using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Works while no command waits, and a little after each command. Flushes what no space can name, gives the slots back
/// when the TPM has been idle, keeps the random reserve full, and reads again what commands have changed. Sends one TPM
/// command at a time, so that a client waits for one at most. Used by the manager's thread alone.
/// </summary>
internal sealed class IdleWork(
    TpmLedger ledger, PowerState power, RoomMaker room, ReserveFiller filler, TimeProvider time, TimeSpan idleRelease)
{
    /// <summary>The pause after the TPM has refused a command.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(50);

    private long _lastCommand = time.GetTimestamp();
    private long? _pausedSince;
    private bool _isQuiet;

    /// <summary>
    /// Records that a client's command had its turn. After a TPM2_Shutdown that succeeded, the manager sends nothing
    /// until the next client command, since any command would undo the shutdown's preparation.
    /// </summary>
    /// <param name="now">The time provider's timestamp.</param>
    /// <param name="isShutdown">True when the command was a TPM2_Shutdown, and succeeded.</param>
    public void ClientCommand(long now, bool isShutdown)
    {
        _lastCommand = now;
        _isQuiet = isShutdown;
    }

    /// <summary>Sends one command, if there is one to send now. Returns false when there is none.</summary>
    public bool TryDoOne()
    {
        if (UntilDue() != TimeSpan.Zero)
        {
            return false;
        }

        _pausedSince = null;
        TpmStepResult step = DoOne();
        if (step == TpmStepResult.Inconsistent)
        {
            _ = power.Verify(); // Even if that finds nothing, the same step may be refused again.
        }

        if (step is TpmStepResult.PutOff or TpmStepResult.NoRoom or TpmStepResult.Gap or TpmStepResult.Inconsistent)
        {
            _pausedSince = time.GetTimestamp();
        }

        return true;
    }

    /// <summary>
    /// Does the work that cannot wait until the manager is idle, since on a busy TPM it never is: flushes one object or
    /// session that no space can name, and fills the random reserve. Sends at most one command for each.
    /// </summary>
    /// <param name="mayFill">
    /// False after a raw command, whose opener may have an exclusive audit session of its own.
    /// </param>
    public void AfterCommand(bool mayFill)
    {
        if (_isQuiet)
        {
            return;
        }

        _ = room.FlushDoomed();
        bool isPaused = _pausedSince is { } since && Left(s_pause, since) > TimeSpan.Zero;
        if (mayFill && filler.HasWork && MayAsk && !isPaused && filler.Fill() != TpmStepResult.Done)
        {
            _pausedSince = time.GetTimestamp();
        }
    }

    /// <summary>Returns the time until there is something to do; null when there is nothing.</summary>
    public TimeSpan? UntilDue()
    {
        if (_isQuiet)
        {
            return null;
        }

        TimeSpan? due = null;
        if (room.HasDoomed || MustReadAnew)
        {
            due = TimeSpan.Zero;
        }
        else if (HasSlots || MayFill)
        {
            due = Left(idleRelease, _lastCommand);
        }

        return due is { } earliest && _pausedSince is { } since && Left(s_pause, since) > earliest
            ? Left(s_pause, since) : due;
    }

    /// <summary>
    /// True when the manager may send commands that are not about contexts. They would end an exclusive audit session.
    /// </summary>
    private bool MayAsk => ledger.Sessions.Exclusive is null;

    private bool MustReadAnew => MayAsk && power.MustReadAnew;

    private bool MayFill => MayAsk && filler.HasWork;

    /// <summary>True when the manager has something in the TPM.</summary>
    private bool HasSlots => ledger.Objects.Count > 0 || ledger.Sessions.LoadedCount > 0;

    private TpmStepResult DoOne()
    {
        if (room.HasDoomed)
        {
            return room.FlushDoomed();
        }

        if (MustReadAnew)
        {
            return power.ReadAnew();
        }

        return HasSlots ? room.ReleaseOne() : filler.Fill();
    }

    private TimeSpan Left(TimeSpan whole, long since)
    {
        TimeSpan left = whole - time.GetElapsedTime(since);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
