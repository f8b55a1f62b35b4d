namespace TpmFs.Simulation;

/// <summary>
/// Executes commands: header, handle area, authorization area, parameters, response, in the order of the reference
/// implementation's ExecuteCommand, so that of several errors in a command the same one is answered.
/// </summary>
internal sealed class TpmCore
{
    private const ushort NoSessions = 0x8001;
    private const ushort WithSessions = 0x8002;

    private readonly TpmCall _call = new();
    private readonly AuthArea _auth;
    private readonly ByteWriter _response = new();
    private readonly RandomBytes _random;
    private byte[] _command = new byte[4096];

    public TpmCore(TpmParameters parameters, TpmState state, ObjectSlots objects, ISessionStore sessions)
    {
        Parameters = parameters;
        State = state;
        Objects = objects;
        Sessions = sessions;
        Limits = new HandleLimits(objects.LastHandle, sessions.LastIndex);
        _random = new RandomBytes(parameters.Seed);
        _auth = new AuthArea(this);
    }

    public TpmParameters Parameters { get; }

    public TpmState State { get; }

    public ObjectSlots Objects { get; }

    public ISessionStore Sessions { get; }

    public HandleLimits Limits { get; }

    public byte[] NextRandom(int count) => _random.Next(count);

    /// <summary>_TPM_Init without a shutdown before it: the power went, and came back.</summary>
    public void Init()
    {
        State.Init();
        Objects.Flush(_ => true);
    }

    /// <summary>
    /// Where the transient objects that another opener of an ideal TPM holds are flushed too; nothing for a TPM by
    /// itself.
    /// </summary>
    public Action<Func<TpmObject, bool>>? FlushElsewhere { get; set; }

    /// <summary>Flushes the loaded objects that are chosen, whoever holds them.</summary>
    public void FlushLoaded(Func<TpmObject, bool> which)
    {
        Objects.Flush(which);
        FlushElsewhere?.Invoke(which);
    }

    /// <summary>Executes one command. The response is good until the next call.</summary>
    public ReadOnlySpan<byte> Execute(ReadOnlySpan<byte> command, byte locality)
    {
        if (command.Length > _command.Length)
        {
            _command = new byte[command.Length];
        }

        command.CopyTo(_command);
        _call.In.Load(_command, command.Length);
        _call.In.Enter(CommandReader.HandleArea);
        _auth.Clear();
        _response.Clear();
        uint code = Run(command.Length, locality, out ushort tag);
        Objects.CommandEnded();
        return code == Rc.Success ? Success(tag) : Error(code);
    }

    private uint Run(int length, byte locality, out ushort tag)
    {
        CommandReader reader = _call.In;
        tag = reader.U16();
        reader.Require(tag is NoSessions or WithSessions, Rc.Value);
        uint size = reader.U32();
        reader.Require(size == length && size <= (uint)Parameters.MaxCommandSize, Rc.CommandSize);
        uint commandCode = reader.U32();
        if (reader.Failed)
        {
            return reader.Failure;
        }

        if (CommandTable.Find(commandCode) is not { } command)
        {
            return Rc.CommandCode;
        }

        if (State.IsStarted == (commandCode == CommandTable.Startup))
        {
            return Rc.Initialize;
        }

        _call.Begin(command, locality);
        return ReadHandles(command) is not Rc.Success and var badHandle ? badHandle
            : ResolveHandles(command) is not Rc.Success and var notThere ? notThere
            : ReadSessions(command, tag) is not Rc.Success and var notAuthorized ? notAuthorized
            : Act(command);
    }

    private uint ReadHandles(CommandDescriptor command)
    {
        for (int i = 0; i < command.HandleKinds.Length; i++)
        {
            uint handle = _call.In.Next().U32();
            _call.In.Require(command.HandleKinds[i].Allows(handle, Limits), Rc.Value);
            _call.SetHandle(i, handle);
        }

        return _call.In.Failure;
    }

    private uint ResolveHandles(CommandDescriptor command)
    {
        for (int i = 0; i < command.HandleKinds.Length; i++)
        {
            uint code = Resolve(i, _call.Handle(i));
            if (code != Rc.Success)
            {
                return code == Rc.ReferenceH0 ? code + (uint)i : code.H(i + 1);
            }
        }

        return Rc.Success;
    }

    private uint Resolve(int n, uint handle)
    {
        switch (Handles.TypeOf(handle))
        {
            case Handles.Permanent:
                return State.Hierarchies.IsEnabled(handle) ? Rc.Success : Rc.Hierarchy;
            case Handles.Transient:
                _call.SetHandle(n, handle, Objects.Find(handle));
                return _call.ObjectOrNull(n) is null ? Rc.ReferenceH0 : Rc.Success;
            case Handles.Persistent:
                return ResolvePersistent(n, handle);
            case Handles.HmacSession or Handles.PolicySession:
                return Sessions.Loaded(handle) is not { } session ? Rc.ReferenceH0
                    : session.HandleAt(Handles.IndexOf(handle)) != handle ? Rc.Handle : Rc.Success;
            default:
                return Handles.TypeOf(handle) == Handles.NvIndex ? Rc.Handle : Rc.Success;
        }
    }

    /// <summary>
    /// The reference implementation copies a persistent object into a slot for the time of the command.
    /// </summary>
    private uint ResolvePersistent(int n, uint handle)
    {
        if (!State.Hierarchies.IsEnabled(handle >= Handles.FirstPlatformPersistent ? Handles.Platform : Handles.Owner))
        {
            return Rc.Handle;
        }

        if (Parameters.PersistentObjectsNeedSlot && Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        if (!State.Persistent.TryGetValue(handle, out TpmObject? item)
            || (!State.Hierarchies.IsEnabled(item.Hierarchy) && _call.Command.Code != CommandTable.EvictControl))
        {
            return Rc.Handle;
        }

        if (Parameters.PersistentObjectsNeedSlot)
        {
            Objects.FlushAfterCommand(Objects.Add(item));
        }

        _call.SetHandle(n, handle, item);
        return Rc.Success;
    }

    private uint ReadSessions(CommandDescriptor command, ushort tag)
    {
        CommandReader reader = _call.In;
        if (tag == NoSessions)
        {
            (_call.ParametersAt, _call.ParametersLength) = (reader.Position, reader.Remaining);
            return command.Authorizations > 0 ? Rc.AuthMissing : Rc.Success;
        }

        if (reader.Remaining < 4)
        {
            return Rc.Insufficient;
        }

        uint size = reader.U32();
        return size < 9 || size > reader.Remaining ? Rc.Size : _auth.Process(_call, (int)size);
    }

    private uint Act(CommandDescriptor command)
    {
        _call.In.Enter(CommandReader.ParameterArea);
        bool isAudited = State.Audit.Includes(command.Code);
        byte[] cpHash = isAudited ? _call.CpHash(State.Audit.Algorithm) : [];
        uint code = command.Action(this, _call);
        if (code != Rc.Success)
        {
            return code;
        }

        _auth.CommandSucceeded(_call);
        if (isAudited && State.Audit.Includes(command.Code))
        {
            State.Audit.Extend(cpHash, _call.RpHash(State.Audit.Algorithm));
        }

        return Rc.Success;
    }

    private ReadOnlySpan<byte> Success(ushort tag)
    {
        _response.U16(tag).U32(0).U32(Rc.Success);
        if (_call.Command.HasResponseHandle)
        {
            _response.U32(_call.ResponseHandle);
        }

        if (tag == WithSessions)
        {
            _response.U32((uint)_call.Out.Length).Bytes(_call.Out.Written);
            _auth.WriteResponse(_call, _response);
        }
        else
        {
            _response.Bytes(_call.Out.Written);
        }

        _response.PatchU32(2, (uint)_response.Length);
        return _response.Written;
    }

    private ReadOnlySpan<byte> Error(uint code) =>
        _response.U16(NoSessions).U32(10).U32(code).Written;
}
