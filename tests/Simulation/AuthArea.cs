namespace TpmFs.Simulation;

/// <summary>
/// The sessions of a command: unmarshalled, checked and answered in the order of the reference implementation (Part 1,
/// 19).
/// </summary>
internal sealed class AuthArea(TpmCore tpm)
{
    private const int MaxSessions = 3;
    private const byte Continue = 1;
    private const byte AuditExclusive = 2;
    private const byte AuditReset = 4;
    private const byte ReservedBits = 0x18;
    private const byte DecryptBit = 0x20;
    private const byte EncryptBit = 0x40;
    private const byte AuditBit = 0x80;

    private readonly List<Entry> _entries = [];

    public void Clear() => _entries.Clear();

    /// <summary>Reads and checks the sessions; the reader then stands at the parameters.</summary>
    public uint Process(TpmCall call, int size)
    {
        if (!call.Command.AllowsSessions)
        {
            return Rc.AuthContext;
        }

        CommandReader reader = call.In;
        int end = reader.Bound;
        reader.Bound = reader.Position + size;
        reader.Enter(CommandReader.SessionArea);
        while (reader.Remaining > 0)
        {
            if (_entries.Count == MaxSessions)
            {
                return Rc.Size.S(MaxSessions + 1);
            }

            if (ReadEntry(call.Command, reader.Next()) is not Rc.Success and var code)
            {
                return code;
            }
        }

        reader.Bound = end;
        (call.ParametersAt, call.ParametersLength) = (reader.Position, reader.Remaining);
        return call.Command.Authorizations > _entries.Count ? Rc.AuthMissing : Authorize(call);
    }

    /// <summary>
    /// Rolls the nonces, and keeps the books of audit sessions, whether or not the command had any session.
    /// </summary>
    public void CommandSucceeded(TpmCall call)
    {
        Entry? audit = _entries.Find(e => e.Has(AuditBit));
        foreach (TpmSession session in _entries.Select(e => e.Session).OfType<TpmSession>())
        {
            session.Nonce = tpm.NextRandom(session.Nonce.Length);
        }

        if (audit is not null)
        {
            Audit(call, audit);
        }
        else if (call.Command.AllowsSessions)
        {
            tpm.State.ExclusiveAuditSession = Handles.Unassigned;
        }
    }

    /// <summary>Writes the response's authorization area, and ends the sessions that are not to be continued.</summary>
    public void WriteResponse(TpmCall call, ByteWriter response)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.Session is not { } session)
            {
                response.U16(0).U8((byte)(entry.Attributes | Continue)).U16(0);
                continue;
            }

            response.Sized(session.Nonce).U8(entry.Attributes)
                .Sized(entry.Value.Length == 0 ? [] : call.RpHash(session.HashAlgorithm));
            if (!entry.Has(Continue))
            {
                tpm.Sessions.Flush(entry.Handle);
            }
            else if (session.IsPolicy)
            {
                session.RestartPolicy();
            }
        }
    }

    private uint ReadEntry(CommandDescriptor command, CommandReader reader)
    {
        int n = _entries.Count;
        uint handle = reader.U32();
        reader.Require(handle == Handles.Password || tpm.Limits.IsSession(handle), Rc.Value);
        int nonce = reader.Sized(64).Length;
        byte attributes = reader.U8();
        reader.Require((attributes & ReservedBits) == 0, Rc.ReservedBits);
        var entry = new Entry(handle, attributes, reader.Sized(64).ToArray());
        if (reader.Failed)
        {
            return reader.Failure;
        }

        uint code = handle == Handles.Password
            ? attributes is not (0 or Continue) ? Rc.Attributes : nonce != 0 ? Rc.Nonce : Rc.Success
            : CheckSession(command, entry, n);
        _entries.Add(entry);
        return code.S(n + 1);
    }

    private uint CheckSession(CommandDescriptor command, Entry entry, int n)
    {
        if (tpm.Sessions.Loaded(entry.Handle) is not { } session)
        {
            return Rc.ReferenceS0 + (uint)n;
        }

        entry.Session = session;
        if (session.HandleAt(Handles.IndexOf(entry.Handle)) != entry.Handle
            || _entries.Exists(e => e.Handle == entry.Handle))
        {
            return Rc.Handle;
        }

        foreach ((byte bit, bool allowed) in ((byte, bool)[])[(DecryptBit, command.CanDecrypt),
            (EncryptBit, command.CanEncrypt)])
        {
            if (entry.Has(bit) && (!allowed || _entries.Exists(e => e.Has(bit))))
            {
                return Rc.Attributes;
            }

            if (entry.Has(bit) && session.Symmetric == Hashes.None)
            {
                return Rc.Symmetric;
            }
        }

        if (!entry.Has(AuditBit))
        {
            return Rc.Success;
        }

        if (session.IsPolicy || _entries.Exists(e => e.Has(AuditBit)))
        {
            return Rc.Attributes;
        }

        bool goesOn = session.IsAudit && !entry.Has(AuditReset);
        return goesOn && entry.Has(AuditExclusive) && tpm.State.ExclusiveAuditSession != entry.Handle
            ? Rc.Exclusive : Rc.Success;
    }

    private uint Authorize(TpmCall call)
    {
        for (int n = 0; n < _entries.Count; n++)
        {
            Entry entry = _entries[n];
            bool authorizes = n < call.Command.Authorizations;
            uint code = entry.Session is null && !authorizes ? Rc.Handle
                : entry.Session is { Type: SessionType.Trial } ? Rc.Attributes
                : authorizes ? AuthorizeHandle(call, n, entry)
                : !entry.Has(AuditBit | EncryptBit | DecryptBit) ? Rc.Attributes
                : entry.Session!.HasKey && entry.Value.Length == 0 ? Rc.BadAuth
                : Rc.Success;
            if (code != Rc.Success)
            {
                return code.S(n + 1);
            }
        }

        return Rc.Success;
    }

    private uint AuthorizeHandle(TpmCall call, int n, Entry entry)
    {
        TpmObject? target = call.ObjectOrNull(n);
        byte[] auth = target?.Auth ?? tpm.State.Hierarchies.Auth(call.Handle(n));
        bool isProtected = target is { HasDictionaryAttackProtection: true };
        if (entry.Session is { IsPolicy: true } policy)
        {
            return CheckPolicy(call.Command, target, policy) is not Rc.Success and var refused ? refused
                : policy.HasKey && entry.Value.Length == 0 ? Rc.BadAuth : Rc.Success;
        }

        bool isBound = entry.Session is { BoundTo.Length: > 0 } bound && bound.BoundTo.AsSpan()
            .SequenceEqual(call.BindingOf(n, auth));
        if (isProtected && !isBound && tpm.State.DictionaryAttack.Check() is not Rc.Success and var code)
        {
            return code;
        }

        if (target is { IsSequence: false } key && (key.IsPublicOnly || !key.Public!.Has(PublicArea.UserWithAuth)))
        {
            return Rc.AuthUnavailable;
        }

        bool isRight = entry.Session is { } session
            ? entry.Value.Length > 0 || (!session.HasKey && auth.Length == 0)
            : TpmObject.Trim(entry.Value).AsSpan().SequenceEqual(auth);
        if (isRight)
        {
            return Rc.Success;
        }

        if (!isProtected)
        {
            return Rc.BadAuth;
        }

        tpm.State.DictionaryAttack.Failed();
        return Rc.AuthFail;
    }

    private uint CheckPolicy(CommandDescriptor command, TpmObject? target, TpmSession session)
    {
        if (target is null or { IsPublicOnly: true } or { IsSequence: true })
        {
            return Rc.AuthUnavailable;
        }

        if (session.PolicyPcrCounter != 0 && session.PolicyPcrCounter != tpm.State.Pcrs.UpdateCounter)
        {
            return Rc.PcrChanged;
        }

        if (!session.PolicyDigest.AsSpan().SequenceEqual(target.Public!.AuthPolicy)
            || session.HashAlgorithm != target.Public.NameAlgorithm)
        {
            return Rc.PolicyFail;
        }

        return session.PolicyCommandCode != 0 && session.PolicyCommandCode != command.Code ? Rc.PolicyCc : Rc.Success;
    }

    private void Audit(TpmCall call, Entry entry)
    {
        TpmSession session = entry.Session!;
        if (!session.IsAudit || entry.Has(AuditReset))
        {
            session.IsAudit = true;
            session.BoundTo = [];
            session.AuditDigest = new byte[Hashes.Size(session.HashAlgorithm)];
            tpm.State.ExclusiveAuditSession = entry.Handle;
        }
        else if (tpm.State.ExclusiveAuditSession != entry.Handle)
        {
            tpm.State.ExclusiveAuditSession = Handles.Unassigned;
        }

        entry.Attributes = (byte)(tpm.State.ExclusiveAuditSession == entry.Handle
            ? entry.Attributes | AuditExclusive : entry.Attributes & ~AuditExclusive);
        ushort algorithm = session.HashAlgorithm;
        session.AuditDigest = Hashes.Digest(
            algorithm,
            new ByteWriter().Bytes(session.AuditDigest).Bytes(call.CpHash(algorithm))
                .Bytes(call.RpHash(algorithm)).Written);
    }

    private sealed class Entry(uint handle, byte attributes, byte[] value)
    {
        public uint Handle { get; } = handle;

        public byte Attributes { get; set; } = attributes;

        public byte[] Value { get; } = value;

        /// <summary>Null for a password.</summary>
        public TpmSession? Session { get; set; }

        public bool Has(int bits) => (Attributes & bits) != 0;
    }
}
