using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>
/// A transport that expects an exact list of commands and answers what the list says. The first command that is not the
/// expected one fails the test, at the exchange and again in <see cref="AssertDone"/>, should the exception have been
/// caught on the way.
/// </summary>
internal sealed class ScriptedTpm : ITpmTransport
{
    private readonly Queue<Step> _steps = new();
    private string? _failure;

    public TpmTransportFeatures Features { get; init; } = new(CanCancel: true, HighestLocality: 4);

    /// <summary>Cancels that came.</summary>
    public int Cancels { get; private set; }

    /// <summary>Expects exactly these bytes.</summary>
    public ScriptedTpm Expect(byte[] command, byte[] response)
    {
        _steps.Enqueue(new Step(command, CommandLog.CodeOf(command), response, TransmitStatus.Ok));
        return this;
    }

    /// <summary>Expects a command of this code, with whatever parameters.</summary>
    public ScriptedTpm Expect(uint code, byte[] response)
    {
        _steps.Enqueue(new Step(null, code, response, TransmitStatus.Ok));
        return this;
    }

    /// <summary>Expects a command of this code, and has no response for it.</summary>
    public ScriptedTpm ExpectAndFail(uint code, TransmitStatus status)
    {
        _steps.Enqueue(new Step(null, code, [], status));
        return this;
    }

    /// <summary>Every command came, and no other.</summary>
    public void AssertDone()
    {
        Assert.Null(_failure);
        Assert.True(
            _steps.Count == 0,
            $"{_steps.Count} commands did not come, first 0x{(_steps.TryPeek(out Step? step) ? step.Code : 0):X}.");
    }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        problem = string.Empty;
        return true;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        if (!_steps.TryDequeue(out Step? step))
        {
            throw Unexpected(command, "nothing");
        }

        if (step.Code != CommandLog.CodeOf(command.Span)
            || (step.Command is not null && !command.Span.SequenceEqual(step.Command)))
        {
            throw Unexpected(command, step.Command is null ? $"0x{step.Code:X}" : Convert.ToHexString(step.Command));
        }

        step.Response.CopyTo(response);
        return new TransmitResult(step.Status, step.Response.Length);
    }

    public void Cancel() => Cancels++;

    public void Dispose()
    {
    }

    private Xunit.Sdk.XunitException Unexpected(ReadOnlyMemory<byte> command, string expected)
    {
        _failure ??= $"The TPM got {Convert.ToHexString(command.Span)}; expected was {expected}.";
        return new Xunit.Sdk.XunitException(_failure);
    }

    private sealed record Step(byte[]? Command, uint Code, byte[] Response, TransmitStatus Status);
}
