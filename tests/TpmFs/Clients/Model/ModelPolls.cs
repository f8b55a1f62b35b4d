namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>The polls of a client that wait: each is told once, when something that it wants becomes ready.</summary>
internal sealed class ModelPolls
{
    private readonly List<Readiness> _waiting = [];
    private Readiness _seen;

    public int Woken { get; private set; }

    public void Add(Readiness wanted) => _waiting.Add(wanted | Readiness.Ended);

    /// <summary>Learns what is ready after a step.</summary>
    public void Look(Readiness ready)
    {
        if (ready != _seen)
        {
            Woken += _waiting.RemoveAll(wanted => (wanted & ready) != 0);
            _seen = ready;
        }
    }
}
