using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>One command that the proxy keeps from the TPM until it is released: a TPM that takes long.</summary>
/// <param name="code">The command's code.</param>
/// <param name="canBeGivenUp">True when a cancel ends the command, which the TPM then has not had.</param>
internal sealed class TpmHold(TpmCc code, bool canBeGivenUp)
{
    private readonly TaskCompletionSource<bool> _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool _taken;

    public TpmCc Code { get; } = code;

    /// <summary>Waits until the command is held.</summary>
    public void WaitUntilHeld() => _arrived.Task.Wait($"{Code} at the TPM");

    /// <summary>Lets the command go on to the TPM.</summary>
    public void Release() => _released.TrySetResult(true);

    /// <summary>The proxy's side: the daemon asks to give up the command that runs, so that a held one ends.</summary>
    public void Cancel()
    {
        if (canBeGivenUp && _arrived.Task.IsCompleted)
        {
            _released.TrySetResult(false);
        }
    }

    /// <summary>The proxy's side, under its lock: true for the first command that comes.</summary>
    public bool TryTake() => !_taken && (_taken = true);

    /// <summary>The proxy's side: the command has come.</summary>
    /// <returns>False when it was given up.</returns>
    public bool Wait()
    {
        _arrived.TrySetResult(true);
        return _released.Task.Wait($"release of {Code}", limit: Deadline.Client);
    }
}
