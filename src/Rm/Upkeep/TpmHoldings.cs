using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// What the TPM still has of the manager's after it was restarted. When the manager started the TPM itself, nothing was put into it since;
/// when somebody else did and the manager noticed later, what it has put into the TPM since then is there.
/// </summary>
internal sealed class TpmHoldings
{
    private readonly HashSet<TpmHandle> _transient = [];
    private readonly HashSet<uint> _loaded = [];
    private readonly HashSet<uint> _saved = [];
    private readonly bool _isReset;
    private readonly bool _wasSeenDown;
    private readonly long _since;

    private TpmHoldings(bool isReset, bool wasSeenDown, long since)
    {
        _isReset = isReset;
        _wasSeenDown = wasSeenDown;
        _since = since;
    }

    /// <summary>The manager found the TPM down and has just started it.</summary>
    public static TpmHoldings AfterStartup(bool isReset) => new(isReset, wasSeenDown: true, since: long.MaxValue);

    /// <summary>Somebody else has started the TPM: asks it what it holds.</summary>
    /// <param name="since">When it was started, at the earliest, by the manager's time provider.</param>
    public static Step Ask(TpmProfile profile, bool isReset, long since, out TpmHoldings holdings)
    {
        holdings = new TpmHoldings(isReset, wasSeenDown: false, since);
        var transient = new List<TpmHandle>();
        var loaded = new List<TpmHandle>();
        var saved = new List<TpmHandle>();
        Step step = profile.ReadHandles(TpmHt.Transient, transient);
        step = step == Step.Done ? profile.ReadHandles(TpmHt.LoadedSession, loaded) : step;
        step = step == Step.Done ? profile.ReadHandles(TpmHt.SavedSession, saved) : step;
        holdings._transient.UnionWith(transient);
        holdings._loaded.UnionWith(loaded.Select(handle => handle.Index));
        holdings._saved.UnionWith(saved.Select(handle => handle.Index));
        return step;
    }

    /// <summary>Whether a resident object is still in its slot.</summary>
    public bool HasResident(TransientObject resident) =>
        resident.Resident is { } handle && _transient.Contains(handle) && resident.Entered >= _since;

    /// <summary>Whether an object's context can still be loaded: not from before a reset, and not with stClear from before a restart.</summary>
    public bool HasContextOf(TransientObject held) =>
        held.Entered >= _since || (!_isReset && !(_wasSeenDown && held.IsStClear));

    /// <summary>Whether a session is still there, loaded or saved as it was.</summary>
    public bool Has(Session session)
    {
        if (_wasSeenDown)
        {
            return !_isReset && !session.IsLoaded;
        }

        bool isRecent = session.LastUse >= _since;
        return session.IsLoaded
            ? isRecent && _loaded.Contains(session.Handle.Index)
            : (isRecent || !_isReset) && _saved.Contains(session.Handle.Index);
    }

    /// <summary>Whether there is something under a transient handle.</summary>
    public bool HasTransient(TpmHandle handle) => _transient.Contains(handle);
}
