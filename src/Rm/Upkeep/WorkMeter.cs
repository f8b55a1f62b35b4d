using TpmFs.Rm.Channel;
using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Measures the cost of one command, and counts it for the command's opener and its domain. Used by the manager's
/// thread alone.
/// </summary>
internal sealed class WorkMeter(TpmChannel channel, TpmSlots slots, TimeProvider time)
{
    private long _commands;
    private long _evictions;
    private TimeSpan _busy;

    /// <summary>Begins to measure a command's turn.</summary>
    public void Begin()
    {
        _commands = channel.Commands;
        _evictions = slots.Objects.Evictions + slots.Sessions.Evictions;
        _busy = channel.Busy;
    }

    /// <summary>Ends the command's turn. Returns the TPM's time that the turn took.</summary>
    public TimeSpan EndTurn(ManagedSpace space)
    {
        TimeSpan busy = channel.Busy - _busy;
        long commands = channel.Commands - _commands;
        long evictions = slots.Objects.Evictions + slots.Sessions.Evictions - _evictions;
        space.Usage.AddWork(commands, evictions, busy);
        space.Owner.Group.Usage.AddWork(commands, evictions, busy);
        return busy;
    }

    /// <summary>Counts the command as answered.</summary>
    /// <param name="now">The time provider's timestamp.</param>
    public void Answered(PendingCommand pending, in CommandOutcome outcome, TimeSpan busy, long now)
    {
        TpmRc? code = TpmHeader.TryRead(outcome.Response.Span, out TpmHeader header) ? header.ResponseCode : null;
        pending.Account(code, outcome.IsDenied, time.GetElapsedTime(pending.Submitted, now) - busy);
    }
}
