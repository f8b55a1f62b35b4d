using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>One opener of the ideal TPM.</summary>
internal sealed class IdealOpener(ModelOwner owner, TpmCore core)
{
    public ModelOwner Owner => owner;

    public TpmCore Core => core;
}

/// <summary>
/// Shows what each opener would see if the TPM had memory without end and each opener had it to itself, except for what
/// belongs to the whole TPM by nature: hierarchies, persistent objects, PCRs, the clock, the exclusive audit session.
/// It executes commands with the same code as the simulated TPM.
/// </summary>
internal sealed class IdealTpm
{
    private readonly TpmParameters _parameters;
    private readonly ModelSettings _settings;
    private readonly TpmState _state;
    private readonly List<IdealOpener> _openers = [];

    /// <param name="tpm">How the TPM under the manager is built.</param>
    /// <param name="settings">The manager's limits and ways.</param>
    public IdealTpm(TpmParameters tpm, ModelSettings settings)
    {
        _parameters =
            tpm with { CreateNeedsSlot = false, PersistentObjectsNeedSlot = false, ContextGap = uint.MaxValue };
        _settings = settings;
        _state = new TpmState(_parameters);
        Sessions = new IdealSessions(settings.Limits);
        _state.Startup(state: false, Sessions.Startup);
    }

    public IdealSessions Sessions { get; }

    /// <summary>True when there was a TPM Restart since the last reset or TPM2_Clear.</summary>
    public bool HasRestarted => _state.ClearCount != 0;

    public IdealOpener Open(ModelOwner owner)
    {
        var core = new TpmCore(
            _parameters, _state, new ObjectSlots(_settings.Limits.ObjectsMax, reusesHandles: false),
            Sessions)
        { FlushElsewhere = FlushEverywhere };
        var opener = new IdealOpener(owner, core);
        _openers.Add(opener);
        return opener;
    }

    public byte[] Execute(IdealOpener opener, byte[] command)
    {
        Sessions.Current = opener;
        uint exclusive = _state.ExclusiveAuditSession;
        byte[] answer = opener.Core.Execute(command, opener.Owner.Locality).ToArray();
        if (_settings.ListsHandlesLocally && ListsOwnHandles(command))
        {
            _state.ExclusiveAuditSession = exclusive;
        }

        return answer;
    }

    /// <summary>True when the opener has a transient object or loaded session of this handle.</summary>
    public bool IsLoaded(IdealOpener opener, uint handle)
    {
        Sessions.Current = opener;
        return Handles.IsTransient(handle)
            ? opener.Core.Objects.Find(handle) is not null : Sessions.Loaded(handle) is not null;
    }

    /// <summary>
    /// True when TPM_RC_OBJECT_MEMORY or TPM_RC_SESSION_MEMORY is what the opener would get for one more.
    /// </summary>
    public bool IsAtLimit(IdealOpener opener, uint code)
    {
        Sessions.Current = opener;
        return code switch
        {
            Rc.ObjectMemory => opener.Core.Objects.IsFull,
            Rc.SessionMemory => Sessions.LoadedAvailable <= 0,
            _ => false,
        };
    }

    public void Close(IdealOpener opener)
    {
        Sessions.Close(opener);
        _openers.Remove(opener);
    }

    /// <summary>
    /// What the manager was told of in time is all saved and goes on, but for what the specification says is lost (Part
    /// 1, 30.4).
    /// </summary>
    public void Power(StartupKind kind)
    {
        if (kind != StartupKind.Reset)
        {
            _state.Shutdown(state: true, Sessions.Preserve());
        }

        _state.Init();
        _state.Startup(state: kind == StartupKind.Resume, Sessions.Startup);
        FlushEverywhere(item => kind == StartupKind.Reset || (kind == StartupKind.Restart && item.StClear));
    }

    private static bool ListsOwnHandles(byte[] command) =>
        CommandLog.CodeOf(command) == 0x17A && command[1] == 1 && command.Length > 14 && command[13] == 1
        && (uint)command[14] is Handles.Transient or Handles.HmacSession or Handles.PolicySession;

    private void FlushEverywhere(Func<TpmObject, bool> which) => _openers.ForEach(o => o.Core.Objects.Flush(which));
}
