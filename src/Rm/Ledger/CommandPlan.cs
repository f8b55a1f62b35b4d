using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>Holds what one command names and makes. The manager's thread uses one plan for all commands.</summary>
internal sealed class CommandPlan
{
    /// <summary>The transient objects that must be in the TPM for the command, each once.</summary>
    public List<TransientObject> Objects { get; } = new(4);

    /// <summary>The sessions that must be loaded for the command, each once.</summary>
    public List<Session> Sessions { get; } = new(4);

    /// <summary>The session of each entry of the authorization area; null for a password.</summary>
    public List<Session?> Authorizing { get; } = new(TpmAuthorization.Max);

    /// <summary>The object that FlushContext or ContextSave is about.</summary>
    public TransientObject? Subject { get; set; }

    /// <summary>The session that FlushContext, ContextSave or ContextLoad is about.</summary>
    public Session? SubjectSession { get; set; }

    /// <summary>The context that ContextLoad brings, where it can be read.</summary>
    public TpmContext? Context { get; set; }

    /// <summary>True when policy refuses the command.</summary>
    public bool IsDenied { get; set; }

    /// <summary>True when the command would make more than its space may have.</summary>
    public bool IsBeyondLimit { get; set; }

    /// <summary>Object slots that the command takes beyond those of the objects it names.</summary>
    public int NewObjects { get; set; }

    /// <summary>Session slots that the command takes beyond those of the sessions it names.</summary>
    public int NewSessions { get; set; }

    /// <summary>The answer to the command when it has waited for room for too long.</summary>
    public TpmRc Lacking { get; set; } = TpmRc.ObjectMemory;

    public void Clear()
    {
        Objects.Clear();
        Sessions.Clear();
        Authorizing.Clear();
        Subject = null;
        SubjectSession = null;
        Context = null;
        IsDenied = false;
        IsBeyondLimit = false;
        NewObjects = 0;
        NewSessions = 0;
        Lacking = TpmRc.ObjectMemory;
    }

    public void Name(TransientObject named)
    {
        if (!Objects.Contains(named))
        {
            Objects.Add(named);
        }
    }

    public void Name(Session named)
    {
        if (!Sessions.Contains(named))
        {
            Sessions.Add(named);
        }
    }
}
