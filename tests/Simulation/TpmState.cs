namespace TpmFs.Simulation;

/// <summary>
/// The state that a TPM holds besides loaded objects and sessions, with the lifetimes of Part 1, 12.2: across resets,
/// across restarts, until the next power loss.
/// </summary>
internal sealed class TpmState(TpmParameters parameters)
{
    private const ushort SuClear = 0;
    private const ushort SuState = 1;

    private readonly long _manufactured = parameters.Time.GetTimestamp();
    private long _poweredOn = parameters.Time.GetTimestamp();
    private ushort? _shutdown = SuClear;
    private Preserved? _preserved;

    public HierarchyState Hierarchies { get; } = new();

    public SortedDictionary<uint, TpmObject> Persistent { get; } = [];

    public PcrBank Pcrs { get; } = new();

    public CommandAudit Audit { get; } = new();

    public DictionaryAttack DictionaryAttack { get; } = new() { IsEnabled = parameters.DictionaryAttackProtection };

    /// <summary>Between _TPM_Init and an accepted Startup this is false, and nothing else is accepted.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>True when there was a Shutdown before the last Startup.</summary>
    public bool WasOrderly { get; private set; }

    public uint ResetCount { get; set; }

    public uint RestartCount { get; set; }

    /// <summary>In the contexts of stClear objects.</summary>
    public uint ClearCount { get; set; }

    /// <summary>In every context; never goes back.</summary>
    public uint TotalResetCount { get; private set; }

    /// <summary>The sequence number of the last object context.</summary>
    public ulong ObjectContextId { get; set; }

    /// <summary>The session that nothing but itself was used since, or TPM_RH_UNASSIGNED.</summary>
    public uint ExclusiveAuditSession { get; set; } = Handles.Unassigned;

    /// <summary>TPMS_TIME_INFO's time: milliseconds since the power came.</summary>
    public ulong Time => (ulong)parameters.Time.GetElapsedTime(_poweredOn).TotalMilliseconds;

    /// <summary>TPMS_CLOCK_INFO's clock, in milliseconds.</summary>
    public ulong Clock => (ulong)parameters.Time.GetElapsedTime(_manufactured).TotalMilliseconds;

    /// <summary>_TPM_Init: everything in RAM is lost.</summary>
    public void Init()
    {
        IsStarted = false;
        ExclusiveAuditSession = Handles.Unassigned;
        _poweredOn = parameters.Time.GetTimestamp();
    }

    /// <summary>State that a shutdown preserved changes: it counts as if there had been none.</summary>
    public void Disturb() => _shutdown = null;

    public void Shutdown(bool state, object sessions)
    {
        _shutdown = state ? SuState : SuClear;
        _preserved = state
            ? new Preserved(sessions, Pcrs.Preserve(), Pcrs.UpdateCounter, RestartCount, ClearCount, ObjectContextId,
            Hierarchies.OwnerEnabled, Hierarchies.EndorsementEnabled, Hierarchies.PlatformNvEnabled,
            Hierarchies.Auth(Handles.Platform)) : null;
    }

    /// <summary>Answers TPM_RC_VALUE for a Startup(STATE) without the Shutdown(STATE) before it.</summary>
    public uint Startup(bool state, Action<StartupKind, object?> restoreSessions)
    {
        if (state && _shutdown != SuState)
        {
            return Rc.Value.P(1);
        }

        Preserved? saved = _shutdown == SuState ? _preserved : null;
        StartupKind kind = saved is null ? StartupKind.Reset : state ? StartupKind.Resume : StartupKind.Restart;
        WasOrderly = _shutdown is not null;
        DictionaryAttack.Startup(WasOrderly);
        if (saved is not null)
        {
            (Pcrs.UpdateCounter, RestartCount, ClearCount, ObjectContextId) =
                (saved.PcrUpdates, saved.RestartCount, saved.ClearCount, saved.ObjectContextId);
        }

        Count(kind);
        StartHierarchies(kind, saved);
        Pcrs.Startup(kind, saved?.Pcrs);
        Audit.Startup(kind);
        restoreSessions(kind, saved?.Sessions);
        _shutdown = null;
        IsStarted = true;
        return Rc.Success;
    }

    /// <summary>The counters that TPM2_Clear sets back.</summary>
    public void ClearCounters() => (ResetCount, RestartCount, ClearCount) = (0, 0, 0);

    private void Count(StartupKind kind)
    {
        switch (kind)
        {
            case StartupKind.Resume:
                RestartCount++;
                break;
            case StartupKind.Restart:
                ClearCount++;
                RestartCount++;
                break;
            default:
                (ObjectContextId, ClearCount, RestartCount, Pcrs.UpdateCounter) = (0, 0, 0, 0);
                ResetCount++;
                TotalResetCount++;
                break;
        }
    }

    private void StartHierarchies(StartupKind kind, Preserved? saved)
    {
        Preserved? resumed = kind == StartupKind.Resume ? saved : null;
        Hierarchies.Enable(Handles.Platform, true);
        Hierarchies.Enable(Handles.Owner, resumed?.Owner ?? true);
        Hierarchies.Enable(Handles.Endorsement, resumed?.Endorsement ?? true);
        Hierarchies.Enable(Handles.PlatformNv, resumed?.PlatformNv ?? true);
        Hierarchies.SetAuth(Handles.Platform, resumed?.PlatformAuth ?? []);
        if (kind == StartupKind.Reset)
        {
            Hierarchies.ChangeSeed(Handles.Null);
            Hierarchies.ChangeProof(Handles.Null);
        }
    }

    private sealed record Preserved(
        object Sessions, object Pcrs, uint PcrUpdates, uint RestartCount, uint ClearCount, ulong ObjectContextId,
        bool Owner, bool Endorsement, bool PlatformNv, byte[] PlatformAuth);
}
