using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>A kind of run.</summary>
/// <param name="Openers">The number of openers at any time.</param>
/// <param name="Limits">The limits that the manager was given.</param>
/// <param name="ActiveSessionsMax">
/// No more sessions than this are started: with more, the TPM's own limit would be seen, which is another test's
/// matter.
/// </param>
/// <param name="IsIsolated">True when openers also try what is not theirs, and what no longer is.</param>
/// <param name="HasPower">True when the machine sleeps and loses power.</param>
internal sealed record ModelSettings(
    int Openers, ModelLimits Limits, int ActiveSessionsMax = 60, bool IsIsolated = true, bool HasPower = true)
{
    /// <summary>
    /// True when a space's own handles are listed without the TPM, so that an audit session stays exclusive.
    /// </summary>
    public bool ListsHandlesLocally { get; init; } = true;

    /// <summary>Properties (TPM_PT) whose values are not compared.</summary>
    public IReadOnlyList<uint> Uncompared { get; init; } = [];
}

/// <summary>Does the same to a manager and to the ideal TPM, and stops at the first difference.</summary>
internal sealed class ModelRun
{
    /// <summary>The upper half of the codes that no TPM gives: limits, and refusals by policy.</summary>
    private const uint ManagerLayer = 0x000B;

    private readonly ModelSettings _settings;
    private readonly IManagerUnderTest _manager;
    private readonly IdealTpm _ideal;
    private readonly References _references;
    private readonly ModelCommands _commands;
    private readonly (int Manager, IdealOpener Ideal)[] _openers;
    private readonly Queue<string> _history = new();

    public ModelRun(ModelSettings settings, IManagerUnderTest manager)
    {
        _settings = settings;
        _manager = manager;
        _ideal = new IdealTpm(manager.Tpm.Parameters, settings);
        _references = new References(settings.Openers, settings.IsIsolated);
        _commands = new ModelCommands(_references);
        _openers = [.. Enumerable.Range(0, settings.Openers).Select(Open)];
    }

    /// <summary>Commands that were compared.</summary>
    public long Compared { get; private set; }

    /// <summary>Gets the first difference, with the commands before it; null when there is none.</summary>
    public string? Difference { get; private set; }

    /// <summary>Does the actions; false at the first difference.</summary>
    public bool Run(IEnumerable<ModelAction> actions) => actions.All(Do);

    /// <summary>Closes all openers; the TPM must then hold nothing but the sessions that were saved.</summary>
    public bool Finish()
    {
        for (int i = 0; i < _openers.Length && Difference is null; i++)
        {
            _manager.Close(_openers[i].Manager);
            _ideal.Close(_openers[i].Ideal);
        }

        SimulatedTpm tpm = _manager.Tpm;
        if (Difference is null
            && (tpm.TransientHandles.Count != 0 || tpm.LoadedSessions.Count != 0
                || tpm.ActiveSessions != _ideal.Sessions.SavedTotal))
        {
            Differ(
                $"with all openers closed the TPM holds {tpm.TransientHandles.Count} objects "
                + $"and "
                + $"{tpm.LoadedSessions.Count} loaded sessions, "
                + $"{tpm.ActiveSessions} sessions in all where {_ideal.Sessions.SavedTotal} are saved");
        }

        return Difference is null;
    }

    /// <summary>Two users, the first of them in two groups and at two localities.</summary>
    private static ModelOwner OwnerOf(int opener) => (opener % 5) switch
    {
        4 => new ModelOwner(1000, "a", Locality: 3),
        2 => new ModelOwner(1001, "a"),
        3 => new ModelOwner(1000, "b"),
        _ => new ModelOwner(1000, "a"),
    };

    private bool Do(ModelAction action)
    {
        int opener = action.Opener % _openers.Length;
        switch (action.Kind)
        {
            case ActionKind.Reopen:
                Note($"{opener} closes and opens");
                _manager.Close(_openers[opener].Manager);
                _ideal.Close(_openers[opener].Ideal);
                _references.Reopened(opener);
                _openers[opener] = Open(opener);
                return true;
            case ActionKind.Advance:
                Note("time passes");
                _manager.Advance(
                    TimeSpan.FromMilliseconds(
                        (int[])[1, 99, 150, 2000, 130_000] is var times ? times[action.How % times.Length] : 0));
                return true;
            case ActionKind.Replace:
                Note("another manager goes on");
                _manager.Replace();
                return true;
            case ActionKind.Power:
                return Power((StartupKind)(action.How % 3));
            case ActionKind.ListHandles:
                return ListHandles(opener, action);
            default:
                return _commands.For(opener, action) is not { } build || IsTooMany(action.Kind) || IsAmbiguous(action)
                    || Compare(opener, action.Kind, build);
        }
    }

    /// <summary>
    /// The first command after it is one that reaches the TPM: until then nobody knows that anything happened.
    /// </summary>
    private bool Power(StartupKind kind)
    {
        if (!_settings.HasPower)
        {
            return true;
        }

        Note($"power: {kind}");
        _manager.Power(kind);
        _ideal.Power(kind);
        return Compare(0, ActionKind.GetRandom, _ => Cmd.GetRandom(1));
    }

    private bool IsTooMany(ActionKind kind) =>
        kind == ActionKind.StartSession && _ideal.Sessions.ActiveTotal >= _settings.ActiveSessionsMax;

    /// <summary>
    /// TPM2_Clear sets the clear count back, and with it spoils the contexts of stClear objects that were saved since a
    /// restart; loaded ones stay good. Which of the two an object is, is not the openers' business.
    /// </summary>
    private bool IsAmbiguous(ModelAction action) =>
        action.Kind == ActionKind.ChangeHierarchy && ModelCommands.IsClear(action.How) && _ideal.HasRestarted;

    private bool ListHandles(int opener, ModelAction action)
    {
        uint first = (uint[])[0x80000000, 0x02000000, 0x03000000, 0x81000000, 0x40000000, 0] is var all
            ? all[action.What % all.Length] : 0;
        return !_settings.IsIsolated
            || Compare(
                opener, action.Kind,
                _ => Cmd.GetCapability(1, first, action.How % 3 == 0 ? (uint)action.How % 7 : 100));
    }

    private bool Compare(int opener, ActionKind kind, Func<CommandView, byte[]> build)
    {
        (int manager, IdealOpener? ideal) = _openers[opener];
        byte[] sent = build(new CommandView(h => h, c => c.Manager));
        uint command = CommandLog.CodeOf(sent);
        var actual = new Answer(_manager.Execute(manager, sent));
        var expected =
            new Answer(_ideal.Execute(ideal, build(new CommandView(h => _references.Ideal(opener, h), c => c.Ideal))));
        Compared++;
        Note($"{opener} {kind} {Convert.ToHexString(sent)} -> {actual.Code:X}");
        if (expected.IsSuccess && actual.IsSuccess)
        {
            Remember(opener, command, actual, expected);
        }

        if (IsRightToBlame(opener, sent, expected, actual))
        {
            return true;
        }

        if (ModelComparison.Difference(
            command, expected, actual, _settings.Uncompared, h => _references.Ideal(opener, h)) is { } difference)
        {
            Differ(difference);
        }

        return Difference is null;
    }

    /// <summary>
    /// Both refuse, and the manager because of something that the opener indeed does not have, or of a limit that it
    /// indeed has reached: the manager looks at these before the TPM sees the command.
    /// </summary>
    private bool IsRightToBlame(int opener, byte[] sent, Answer expected, Answer actual)
    {
        IdealOpener ideal = _openers[opener].Ideal;
        return !expected.IsSuccess && (ReferenceErrors.Blamed(actual.Code, sent) is { } handle
            ? !_ideal.IsLoaded(ideal, _references.Ideal(opener, handle))
            : actual.Code >> 16 == ManagerLayer && _ideal.IsAtLimit(ideal, actual.Code & 0xFFFF));
    }

    private void Remember(int opener, uint command, Answer manager, Answer ideal)
    {
        switch (command)
        {
            case 0x153:
                _references.AddCreated(manager.Sized(14), manager.Sized(14, 1));
                break;
            case Cmd.ContextSaveCode:
                _references.AddContext(manager.Body, ideal.Body);
                break;
            case var _ when CommandTable.Find(command) is { HasResponseHandle: true }:
                if (Handles.IsSession(manager.Handle))
                {
                    _references.AddSession(opener, manager.Handle, ideal.Handle);
                }
                else
                {
                    _references.AddObject(opener, manager.Handle, ideal.Handle);
                }

                break;
        }
    }

    private (int Manager, IdealOpener Ideal) Open(int opener) =>
        (_manager.Open(OwnerOf(opener)), _ideal.Open(OwnerOf(opener)));

    private void Note(string what)
    {
        _history.Enqueue(what);
        if (_history.Count > 60)
        {
            _history.Dequeue();
        }
    }

    private void Differ(string what) =>
        Difference = $"{what}\nafter the commands (opener, action, bytes, code)\n{string.Join('\n', _history)}";
}
