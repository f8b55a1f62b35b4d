using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Finds out what the TPM still holds for the manager after a restart. If the manager started the TPM itself, it has
/// put nothing into the TPM since. If another program did and the manager noticed later, the TPM still holds what the
/// manager put into it since then.
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

    /// <summary>Finds out what the TPM still holds. Asks the TPM when the event alone does not tell.</summary>
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

    /// <summary>Returns true when a resident object is still in its slot.</summary>
    public bool HasResident(TransientObject resident) =>
        resident.Resident is { } handle && _transient.Contains(handle) && resident.Entered >= _restart.Started;

    /// <summary>
    /// Returns whether an object's context can still be loaded. A context from before a reset cannot, nor can an
    /// stClear object's context from before a restart. Returns null when only loading it tells, because there may have
    /// been a reset before the restart that was noticed.
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

    /// <summary>Returns true when a session is still there, loaded or saved as before.</summary>
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

    /// <summary>Returns true when the TPM holds an object under a transient handle.</summary>
    public bool HasTransient(TpmHandle handle) => _transient.Contains(handle);
}

/// <summary>
/// Describes a restart of the TPM, as far as it is known. Times are those of the manager's time provider.
/// </summary>
/// <param name="IsReset">
/// True when the reset count has changed: there was a TPM Reset since <paramref name="LastSure"/>.
/// </param>
/// <param name="WasSeenDown">True when the TPM was found down and has just been started.</param>
/// <param name="IsUnderstood">True when that start is the only event since, so the TPM need not be asked.</param>
/// <param name="Started">The earliest time at which the TPM may have been started last.</param>
/// <param name="LastSure">The last time at which the TPM was known not to have been restarted.</param>
internal readonly record struct TpmRestart(
    bool IsReset, bool WasSeenDown, bool IsUnderstood, long Started, long LastSure);
