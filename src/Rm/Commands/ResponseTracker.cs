using System.Buffers.Binary;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Sessions;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Follows what a successful command did, from its response alone: what was made, what ended, what was saved; and gives
/// the response the space's own handles.
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
    /// Applies what a successful command did to all spaces: hierarchies that are gone, commands that are audited from
    /// now on, counters of the TPM's that are back at zero, a TPM that was down.
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

    /// <summary>What any command that the TPM has seen does to what it names, whether it succeeded or not.</summary>
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
    /// A TPM does not give a handle twice: where it seems to, it was restarted unnoticed, and what had the handle
    /// before is gone.
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
    /// A session was started, or loaded by a client; one that was saved moves to the opener that loaded it.
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
    /// The response's session attributes say whether a session goes on, and whether it is the exclusive audit session.
    /// Any command but those about contexts ends the exclusivity of a session that it does not name.
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
    /// SequenceComplete and their like: the transient object of the handle area is gone. Of several it is the last one.
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
    /// Clear, HierarchyControl, ChangeEPS, ChangePPS: the TPM has flushed what is in a hierarchy; contexts of it go
    /// too, since a hierarchy that is enabled again would let them be loaded, which objects that were flushed never
    /// are.
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

    /// <summary>HierarchyControl's parameters: the hierarchy, and whether it is enabled from now on.</summary>
    private static uint[] DisabledHierarchy(ReadOnlySpan<byte> parameters)
    {
        var reader = new TpmReader(parameters);
        return reader.TryReadUInt32(out uint hierarchy) && reader.TryReadByte(out byte state) && state == 0
            ? [hierarchy] : [];
    }
}
