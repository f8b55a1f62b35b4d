using TpmFs.Tpm;

namespace TpmFs.Rm.Channel;

/// <summary>
/// Sets time limits for commands and pauses. The command durations are the Linux kernel's
/// (drivers/char/tpm/tpm2-cmd.c).
/// </summary>
internal static class TimeLimits
{
    /// <summary>The longest wait of a command for a slot or session that another opener or program holds.</summary>
    public static readonly TimeSpan WaitForRoom = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The wait of a command before it takes a session that an opener holds. Also the time for which a session must
    /// have been unused before it gives way to a user with no greater claim than its owner.
    /// </summary>
    public static readonly TimeSpan SessionGrace = TimeSpan.FromSeconds(2);

    /// <summary>The wait of an opener's first command for a few random bytes before the reserve answers it.</summary>
    public static readonly TimeSpan ProbePatience = TimeSpan.FromMilliseconds(250);

    /// <summary>The time limit of the manager's own commands.</summary>
    public static readonly TimeSpan Own = TimeSpan.FromSeconds(120);

    /// <summary>
    /// The time limit of the manager's own commands until the TPM has answered one: the way to the TPM may lead
    /// nowhere.
    /// </summary>
    public static readonly TimeSpan FirstAnswer = TimeSpan.FromSeconds(5);

    /// <summary>The first pause before a command that the TPM put off is sent again; it doubles each time.</summary>
    public static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// The most times that a raw command is sent. Linux pauses 20, 40 … 1280 ms, and then passes the TPM's answer on.
    /// </summary>
    public const int RawAttempts = 8;

    private static readonly TimeSpan s_default = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan s_keyGeneration = TimeSpan.FromSeconds(300);

    /// <summary>
    /// The longest that one exchange may take, and the longest time for which a command that the TPM puts off is
    /// repeated.
    /// </summary>
    public static TimeSpan Of(TpmCc command) =>
        command is TpmCc.Create or TpmCc.CreatePrimary or TpmCc.CreateLoaded ? s_keyGeneration : s_default;

    /// <summary>
    /// Returns the pause before the <paramref name="attempt"/>th repetition (from 0), at most 1.28 s.
    /// </summary>
    public static TimeSpan Backoff(int attempt) => FirstBackoff * (1 << Math.Min(attempt, 6));
}
