using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>One command that the proxy keeps from the TPM until it is released: a TPM that takes long.</summary>
internal sealed class TpmHold(TpmCc code)
{
    private readonly TaskCompletionSource<bool> _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool _taken;

    public TpmCc Code { get; } = code;

    /// <summary>Waits until the command is held.</summary>
    public void WaitUntilHeld() => _arrived.Task.Wait($"{Code} at the TPM");

    public void Release() => _released.TrySetResult(true);

    /// <summary>The proxy's side, under its lock: true for the first command that comes.</summary>
    public bool TryTake() => !_taken && (_taken = true);

    /// <summary>The proxy's side: the command has come.</summary>
    public void Wait()
    {
        _arrived.TrySetResult(true);
        _released.Task.Wait($"release of {Code}", limit: Deadline.Client);
    }
}
