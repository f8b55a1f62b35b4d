using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// Counts what an opener, or a domain, has used since it began. Only the manager's thread counts work; any thread
/// counts answers and reads the counts.
/// </summary>
public sealed class Usage
{
    private long _commands;
    private long _tpmCommands;
    private long _evictions;
    private long _denied;
    private long _errors;
    private long _authorizationFailures;
    private long _lockouts;
    private long _busyTicks;
    private long _queueTicks;

    /// <summary>Gets the number of commands answered.</summary>
    public long Commands => Volatile.Read(ref _commands);

    /// <summary>Gets the number of commands sent to the TPM for these commands, the manager's own included.</summary>
    public long TpmCommands => Volatile.Read(ref _tpmCommands);

    /// <summary>Gets the number of objects and sessions moved out of a slot for these commands.</summary>
    public long Evictions => Volatile.Read(ref _evictions);

    /// <summary>Gets the number of commands refused by policy.</summary>
    public long Denied => Volatile.Read(ref _denied);

    /// <summary>Gets the number of responses other than success, and of commands that got none.</summary>
    public long Errors => Volatile.Read(ref _errors);

    /// <summary>
    /// Gets the number of responses TPM_RC_AUTH_FAIL (0x98E for the first session): each counts towards the TPM's
    /// lockout, which affects all users.
    /// </summary>
    public long AuthorizationFailures => Volatile.Read(ref _authorizationFailures);

    /// <summary>Gets the number of responses TPM_RC_LOCKOUT (0x921).</summary>
    public long Lockouts => Volatile.Read(ref _lockouts);

    /// <summary>Gets the TPM's time used.</summary>
    public TimeSpan Busy => new(Volatile.Read(ref _busyTicks));

    /// <summary>
    /// Gets the time that commands spent between being written and being answered, without the TPM's time for them.
    /// </summary>
    public TimeSpan Queued => new(Volatile.Read(ref _queueTicks));

    internal void AddWork(long tpmCommands, long evictions, TimeSpan busy)
    {
        _tpmCommands += tpmCommands;
        _evictions += evictions;
        Volatile.Write(ref _busyTicks, _busyTicks + busy.Ticks);
    }

    /// <param name="code">The response's code; null when there was no response.</param>
    internal void AddAnswer(TpmRc? code, bool isDenied, TimeSpan queued)
    {
        TpmRc plain = code?.WithoutLayer ?? TpmRc.Success;
        Count(ref _errors, code is not { IsSuccess: true });
        Count(ref _denied, isDenied);
        Count(ref _authorizationFailures, plain.Base == TpmRc.AuthFail);
        Count(ref _lockouts, plain == TpmRc.Lockout);
        Interlocked.Add(ref _queueTicks, Math.Max(queued.Ticks, 0));
        Interlocked.Increment(ref _commands);
    }

    private static void Count(ref long counter, bool applies)
    {
        if (applies)
        {
            Interlocked.Increment(ref counter);
        }
    }
}
