using System.Collections;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds the sessions that no space can name any more, in the order in which they are to be flushed. A client may still
/// have the context of one of them.
/// </summary>
internal sealed class DoomedSessions : IReadOnlyCollection<Session>
{
    private readonly Queue<Session> _sessions = [];

    public int Count => _sessions.Count;

    /// <summary>Gets the number of slots that these sessions take.</summary>
    public int LoadedCount { get; private set; }

    /// <summary>Gets the session that is flushed next. There must be one.</summary>
    public Session First => _sessions.Peek();

    /// <summary>Returns true when one of these sessions has this TPM handle.</summary>
    public bool Contains(TpmHandle handle)
    {
        foreach (Session session in _sessions)
        {
            if (session.Handle.Index == handle.Index)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Adds a session, as the last to be flushed.</summary>
    public void Add(Session session)
    {
        _sessions.Enqueue(session);
        LoadedCount += session.IsLoaded ? 1 : 0;
    }

    /// <summary>Removes the first session: it is out of the TPM.</summary>
    public void RemoveFirst()
    {
        Session gone = _sessions.Dequeue();
        LoadedCount -= gone.IsLoaded ? 1 : 0;
        gone.Leave();
    }

    /// <summary>Removes the sessions that the TPM does not hold any more.</summary>
    public void KeepOnly(Func<Session, bool> held)
    {
        Session[] all = [.. _sessions];
        _sessions.Clear();
        LoadedCount = 0;
        foreach (Session session in all)
        {
            if (held(session))
            {
                Add(session);
            }
            else
            {
                session.Leave();
            }
        }
    }

    public IEnumerator<Session> GetEnumerator() => _sessions.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
