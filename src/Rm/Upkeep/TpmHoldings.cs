using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// What the TPM still has of the manager's after it was restarted. When the manager started the TPM itself, nothing was
/// put into it since; when somebody else did and the manager noticed later, what it has put into the TPM since then is
/// there.
/// </summary>
internal sealed class TpmHoldings
{
    private readonly HashSet<TpmHandle> _transient = [];
    private readonly HashSet<uint> _loaded = [];
    private readonly HashSet<uint> _saved = [];
    private readonly TpmRestart _restart;
    private readonly bool _wasAsked;

    private TpmHoldings(TpmRestart restart, bool wasAsked)
    {
        _restart = restart;
        _wasAsked = wasAsked;
    }

    /// <summary>Finds out; asks the TPM where the event alone does not tell.</summary>
    public static TpmStepResult Find(TpmProfile profile, TpmRestart restart, out TpmHoldings holdings)
    {
        holdings = new TpmHoldings(restart, wasAsked: !restart.IsUnderstood);
        if (restart.IsUnderstood)
        {
            return TpmStepResult.Done;
        }

        TpmStepResult step = HandleLists.Read(profile, out HandleLists lists);
        holdings._transient.UnionWith(lists.Transient);
        holdings._loaded.UnionWith(lists.Loaded.Select(handle => handle.Index));
        holdings._saved.UnionWith(lists.Saved.Select(handle => handle.Index));
        return step;
    }

    /// <summary>Whether a resident object is still in its slot.</summary>
    public bool HasResident(TransientObject resident) =>
        resident.Resident is { } handle && _transient.Contains(handle) && resident.Entered >= _restart.Started;

    /// <summary>
    /// Whether an object's context can still be loaded: not from before a reset, and not with stClear from before a
    /// restart. Null when only loading it tells, because the reset may have been before the restart that was noticed.
    /// </summary>
    public bool? HasContextOf(TransientObject held)
    {
        if (held.Entered >= _restart.Started)
        {
            return true;
        }

        if (_restart.WasSeenDown && held.IsStClear)
        {
            return false;
        }

        bool isBeforeReset = _restart.IsReset && (_restart.IsUnderstood || held.Entered < _restart.LastSure);
        return isBeforeReset ? false : _restart.IsReset ? null : true;
    }

    /// <summary>Whether a session is still there, loaded or saved as it was.</summary>
    public bool Has(Session session)
    {
        if (!_wasAsked)
        {
            return !_restart.IsReset && !session.IsLoaded;
        }

        return session.IsLoaded
            ? session.LastUse >= _restart.Started && _loaded.Contains(session.Handle.Index)
            : _saved.Contains(session.Handle.Index);
    }

    /// <summary>Whether there is something under a transient handle.</summary>
    public bool HasTransient(TpmHandle handle) => _transient.Contains(handle);
}

/// <summary>A restart of the TPM, as far as it can be told. Times are the manager's time provider's.</summary>
/// <param name="IsReset">The reset count has changed: there was a TPM Reset since <paramref name="LastSure"/>.</param>
/// <param name="WasSeenDown">The TPM was found down and started just now.</param>
/// <param name="IsUnderstood">What was started just now is the only event since: nothing need be asked.</param>
/// <param name="Started">When the TPM was started last, at the earliest.</param>
/// <param name="LastSure">When the TPM was last known to be the same.</param>
internal readonly record struct TpmRestart(
    bool IsReset, bool WasSeenDown, bool IsUnderstood, long Started, long LastSure);
