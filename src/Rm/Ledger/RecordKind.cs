namespace TpmFs.Rm.Ledger;

/// <summary>Tells the kinds of the mirror's records apart. The numbers are part of the format.</summary>
internal enum RecordKind : byte
{
    /// <summary>The one record of everything that does not belong to a single space.</summary>
    State = 1,

    /// <summary>The one record of the properties that the TPM reports.</summary>
    Profile,

    Group,

    Space,

    Object,

    /// <summary>An object's context. It has the id of the object's record.</summary>
    ObjectContext,

    Session,

    /// <summary>The only context of a session that the TPM would load. It has the id of the session's record.</summary>
    SessionContext,

    /// <summary>The context of a session that its client has. It has the id of the session's record.</summary>
    SessionToken,

    /// <summary>A client's command, and its response. Written in place.</summary>
    ClientExchange,

    /// <summary>A command of the manager's own, and its response. Written in place.</summary>
    OwnExchange,

    /// <summary>The answer to a client's command that has changed the ledger, until it is delivered.</summary>
    Answer,
}
