namespace TpmFs.Simulation;

/// <summary>
/// The protection against dictionary attacks (Part 1, 19.8), as far as it answers commands: the first use of a
/// protected entity after a start-up must be noted in NV and is TPM_RC_RETRY; an unorderly shutdown after that counts
/// as a failure.
/// </summary>
internal sealed class DictionaryAttack
{
    private bool _used;

    /// <summary>Off, nothing is counted and nothing answered.</summary>
    public bool IsEnabled { get; init; } = true;

    public int FailedTries { get; set; }

    public int MaxTries { get; set; } = 3;

    /// <summary>A protected entity is about to be authorized.</summary>
    public uint Check()
    {
        if (!IsEnabled)
        {
            return Rc.Success;
        }

        if (FailedTries >= MaxTries)
        {
            return Rc.Lockout;
        }

        if (!_used)
        {
            _used = true;
            return Rc.Retry;
        }

        return Rc.Success;
    }

    public void Failed()
    {
        if (IsEnabled)
        {
            FailedTries++;
        }
    }

    public void Startup(bool wasOrderly)
    {
        if (_used && !wasOrderly)
        {
            Failed();
        }

        _used = false;
    }
}
