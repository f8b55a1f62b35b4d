using System.Buffers.Binary;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Sessions;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Records what a successful command did, as its response shows: what it made, ended or saved. Writes the space's own
/// handles into the response.
/// </summary>
internal sealed class ResponseTracker(
    TpmProfile profile, TpmLedger ledger, PowerState power, CapabilityView capabilities)
{
    /// <summary>Applies a successful response, and rewrites it for the client.</summary>
    public void Apply(
        SpaceRecord space, ReadOnlySpan<byte> bytes, in TpmCommand command, CommandPlan plan, Span<byte> response)
    {
        TouchNamed(plan);
        EnterNew(space, bytes, command, plan, response);
        TrackAuthorizations(command, plan, response);
        switch (command.Code)
        {
            case TpmCc.FlushContext:
                Flushed(space, TpmHandle.Read(bytes[command.ParametersOffset..]), plan);
                break;
            case TpmCc.ContextSave:
                Saved(space, plan, response[TpmHeader.Length..]);
                break;
            case TpmCc.ReadPublic when !command.HasSessions && plan.Subject is { } known:
                known.PublicAnswer = response.ToArray();
                break;
            case TpmCc.GetCapability:
                capabilities.Rewrite(space, command, response);
                break;
            default:
                ApplyToEverybody(bytes, command);
                break;
        }

        if (command.Attributes.Flushed && command.Code != TpmCc.FlushContext)
        {
            EndNamed(space, bytes, command, plan);
        }
    }

    /// <summary>
    /// Applies what a successful command did to all spaces: it ended hierarchies, changed the audited commands, set the
    /// TPM's counters to zero, or started the TPM.
    /// </summary>
    public void ApplyToEverybody(ReadOnlySpan<byte> bytes, in TpmCommand command)
    {
        if (command.Code == TpmCc.SetCommandCodeAuditStatus)
        {
            profile.ForgetAudited();
        }
        else if (command.Code == TpmCc.Clear)
        {
            ledger.Counts.Forget();
        }
        else if (command.Code == TpmCc.Startup)
        {
            power.ClientStarted();
        }

        ForgetHierarchies(bytes, command);
    }

    /// <summary>
    /// Records what a command that the TPM has seen did to what it names, whether it succeeded or not.
    /// </summary>
    public void TouchNamed(CommandPlan plan)
    {
        foreach (TransientObject used in plan.Objects)
        {
            ledger.Objects.Use(used);
        }

        foreach (Session used in plan.Sessions)
        {
            ledger.Sessions.Use(used);
        }
    }

    private void EnterNew(
        SpaceRecord space, ReadOnlySpan<byte> bytes, in TpmCommand command, CommandPlan plan, Span<byte> response)
    {
        if (!command.Attributes.ResponseHandle || !TpmResponse.TryReadHandle(response, out TpmHandle handle))
        {
            return;
        }

        VerifyUnused(handle, plan.SubjectSession);
        if (handle.IsTransient)
        {
            var entered = new TransientObject(
                isSequence: command.Code is TpmCc.HashSequenceStart or TpmCc.HmacStart);
            if (plan.Context is not null)
            {
                entered.KeepContext(bytes[command.ParametersOffset..]);
            }

            ledger.Objects.Enter(entered, handle);
            VirtualHandle named = space.Add(entered);
            BinaryPrimitives.WriteUInt32BigEndian(response[TpmResponse.HandleOffset..], named.Value);
        }
        else if (handle.IsSession)
        {
            EnterSession(space, handle, plan.SubjectSession);
        }
    }

    /// <summary>
    /// Drops what had this handle before. A TPM does not give a handle twice; if it seems to, it was restarted
    /// unnoticed.
    /// </summary>
    private void VerifyUnused(TpmHandle handle, Session? expected)
    {
        bool isUsed = handle.IsTransient
            ? ledger.Objects.Holds(handle)
            : ledger.Sessions.Holds(handle) && !(expected is not null && expected.Handle.Index == handle.Index);
        if (isUsed)
        {
            _ = power.Verify();
            ledger.Objects.Vacate(handle);
            ledger.Sessions.Vacate(handle);
        }
    }

    /// <summary>
    /// Records that a session was started, or loaded by a client. A saved session moves to the opener that loaded it.
    /// </summary>
    private void EnterSession(SpaceRecord space, TpmHandle handle, Session? saved)
    {
        if (saved is null)
        {
            saved = new Session(handle, space.Owner, space.Id);
            ledger.Sessions.Enter(saved);
        }
        else
        {
            ledger.Sessions.Load(saved);
            ledger.Sessions.Use(saved);
        }

        SessionLedger.MoveTo(space, saved);
    }

    /// <summary>
    /// Reads the response's session attributes: whether each session goes on, and whether it is the exclusive audit
    /// session. A command that does not name a session ends its exclusivity, unless the command is about contexts.
    /// </summary>
    private void TrackAuthorizations(in TpmCommand command, CommandPlan plan, ReadOnlySpan<byte> response)
    {
        Span<byte> attributes = stackalloc byte[TpmAuthorization.Max];
        attributes = attributes[..plan.Authorizing.Count];
        bool told = TpmResponse.TryReadSessionAttributes(response, command.Attributes.ResponseHandle, attributes);
        Session? exclusive = null;
        for (int i = 0; i < plan.Authorizing.Count; i++)
        {
            byte attribute = told ? attributes[i] : command.Authorization(i).Attributes;
            if (plan.Authorizing[i] is not { } session)
            {
                continue;
            }

            if ((attribute & TpmAuthorization.ContinueSession) == 0)
            {
                ledger.Sessions.End(session);
            }
            else if ((attribute & TpmAuthorization.AuditExclusive) != 0 && (attribute & TpmAuthorization.Audit) != 0)
            {
                exclusive = session;
            }
        }

        if (command.Code is not (TpmCc.ContextSave or TpmCc.ContextLoad or TpmCc.FlushContext))
        {
            ledger.Sessions.SetExclusive(exclusive);
        }
    }

    private void Flushed(SpaceRecord space, TpmHandle named, CommandPlan plan)
    {
        if (plan.Subject is { } ended)
        {
            space.Remove(named);
            ledger.Objects.End(ended);
        }
        else if (plan.SubjectSession is { } session)
        {
            ledger.Sessions.End(session);
        }
    }

    private void Saved(SpaceRecord space, CommandPlan plan, ReadOnlySpan<byte> context)
    {
        if (plan.Subject is { } saved)
        {
            saved.KeepContext(context);
        }
        else if (plan.SubjectSession is { } session)
        {
            ledger.Sessions.Save(session, context);
            SavedSessions.GiveToClient(ledger.Sessions, session, space);
        }
    }

    /// <summary>
    /// Records that SequenceComplete, or a command like it, ended the transient object of its handle area; of several
    /// objects, the last.
    /// </summary>
    private void EndNamed(SpaceRecord space, ReadOnlySpan<byte> bytes, in TpmCommand command, CommandPlan plan)
    {
        for (int i = command.HandleCount - 1; i >= 0; i--)
        {
            TpmHandle named = TpmCommand.Handle(bytes, i);
            if (named.IsTransient && plan.Subject is { } ended)
            {
                space.Remove(named);
                ledger.Objects.End(ended);
                return;
            }
        }
    }

    /// <summary>
    /// Drops the objects of a hierarchy that Clear, HierarchyControl, ChangeEPS or ChangePPS has flushed, and their
    /// contexts. A hierarchy that is enabled again would take these contexts, but an object that was flushed must not
    /// come back.
    /// </summary>
    private void ForgetHierarchies(ReadOnlySpan<byte> bytes, in TpmCommand command)
    {
        ReadOnlySpan<uint> gone = command.Code switch
        {
            TpmCc.Clear => [(uint)TpmRh.Owner, (uint)TpmRh.Endorsement],
            TpmCc.ChangeEps => [(uint)TpmRh.Endorsement],
            TpmCc.ChangePps => [(uint)TpmRh.Platform],
            TpmCc.HierarchyControl => DisabledHierarchy(bytes[command.ParametersOffset..]),
            _ => [],
        };
        foreach (uint hierarchy in gone)
        {
            foreach (SpaceRecord space in ledger.Spaces.All)
            {
                space.RemoveWhere(held => held.Hierarchy == hierarchy, ledger.Objects.End);
            }
        }
    }

    /// <summary>Reads HierarchyControl's parameters: the hierarchy, and whether it is enabled from now on.</summary>
    private static uint[] DisabledHierarchy(ReadOnlySpan<byte> parameters)
    {
        var reader = new TpmReader(parameters);
        return reader.TryReadUInt32(out uint hierarchy) && reader.TryReadByte(out byte state) && state == 0
            ? [hierarchy] : [];
    }
}
