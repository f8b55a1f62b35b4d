using TpmFs.Clients;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Fakes;

/// <summary>A space whose TPM is the test: it says when, and with what, a command is answered.</summary>
internal sealed class FakeSpace(ISpaceClient client) : Space
{
    public override SpaceId Id => default;

    private readonly Lock _gate = new();
    private readonly List<byte[]> _submitted = [];

    /// <summary>Runs inside <see cref="TrySubmit"/>, on its caller's thread.</summary>
    public Action<ISpaceClient>? OnSubmit { get; set; }

    public bool Refuses { get; set; }

    /// <summary>Runs when <see cref="TrySubmit"/> refuses.</summary>
    public Action? OnRefuse { get; set; }

    public override byte Locality { get; set; }

    public override int ObjectCount => 0;

    public override int SessionCount => 0;

    public int Closed { get; private set; }

    /// <summary>Gets the number of times that a thread was lent.</summary>
    public int Lent { get; private set; }

    public IReadOnlyList<byte[]> Submitted
    {
        get
        {
            lock (_gate)
            {
                return [.. _submitted];
            }
        }
    }

    public override LendResult Lend()
    {
        Lent++;
        return LendResult.Done;
    }

    public override bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false)
    {
        if (Refuses)
        {
            OnRefuse?.Invoke();
            return false;
        }

        lock (_gate)
        {
            _submitted.Add(command.ToArray());
        }

        OnSubmit?.Invoke(client);
        return true;
    }

    public void Answer(params byte[] response) => client.Completed(response);

    public void Fail(SpaceFailure failure) => client.Failed(failure);

    public int Canceled { get; private set; }

    public override void Cancel() => Canceled++;

    /// <summary>Runs inside <see cref="Close"/>.</summary>
    public Action? OnClose { get; set; }

    public override void Close()
    {
        Closed++;
        OnClose?.Invoke();
    }
}
