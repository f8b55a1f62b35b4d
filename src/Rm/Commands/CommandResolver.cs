using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Objects;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Finds what a command names among what its space holds. A command that names anything else never reaches the TPM: it
/// is answered here, as a TPM answers for a handle that is not loaded.
/// </summary>
internal sealed class CommandResolver(TpmProfile profile, TpmLedger ledger, ObjectBudget budget)
{
    /// <summary>
    /// Fills the plan. Any code but success is the answer to the command, still without the resource manager's layer.
    /// The plan tells whether the manager refuses the command.
    /// </summary>
    public TpmRc Resolve(SpaceRecord space, ReadOnlySpan<byte> bytes, CommandPlan plan, out TpmCommand command)
    {
        plan.Clear();
        command = default;
        if (!TpmHeader.TryRead(bytes, out TpmHeader header))
        {
            return TpmRc.CommandCode;
        }

        if (space.Owner.Group.Denied.Contains(header.CommandCode))
        {
            return Deny(plan, header.CommandCode);
        }

        if (!profile.TryGetCommand(header.CommandCode, out TpmaCc attributes))
        {
            return TpmRc.CommandCode;
        }

        if (bytes.Length > profile.LargestCommand)
        {
            return TpmRc.CommandSize;
        }

        if (!TpmCommand.TryParseHandles(bytes, attributes, out command, out TpmRc problem))
        {
            return problem;
        }

        if (LockoutRule.Refuses(space, bytes, command))
        {
            return Deny(plan, header.CommandCode);
        }

        problem = ResolveHandles(space, bytes, plan, command);
        if (!problem.IsSuccess || !command.TryParseAuthorizations(bytes, out problem))
        {
            return problem;
        }

        problem = ResolveAuthorizations(space, plan, command);
        return problem.IsSuccess ? ResolveParameters(space, bytes, plan, command) : problem;
    }

    private static TpmRc Deny(CommandPlan plan, TpmCc code)
    {
        plan.IsDenied = true;
        return code == TpmCc.Startup ? TpmRc.Initialize : TpmRc.CommandCode;
    }

    private TpmRc ResolveHandles(SpaceRecord space, ReadOnlySpan<byte> bytes, CommandPlan plan, in TpmCommand command)
    {
        for (int i = 0; i < command.HandleCount; i++)
        {
            TpmHandle handle = TpmCommand.Handle(bytes, i);
            if (handle.HasTransientType)
            {
                if (!handle.IsTransient)
                {
                    return TpmRc.ValueError.ForHandle(i);
                }

                if (!space.TryFind(handle, out TransientObject named))
                {
                    return TpmRc.ReferenceHandle(i);
                }

                plan.Name(named);
                plan.Subject = named;
            }
            else if (handle.IsSession)
            {
                if (!ledger.Sessions.TryFind(handle, out Session session) || !session.IsUsableBy(space))
                {
                    return TpmRc.ReferenceHandle(i);
                }

                plan.Name(session);
                plan.SubjectSession = session;
            }
        }

        return TpmRc.Success;
    }

    private TpmRc ResolveAuthorizations(SpaceRecord space, CommandPlan plan, in TpmCommand command)
    {
        for (int i = 0; i < command.AuthorizationCount; i++)
        {
            TpmHandle handle = command.Authorization(i).Session;
            Session? authorizing = null;
            if (handle.IsSession)
            {
                if (!ledger.Sessions.TryFind(handle, out authorizing) || !authorizing.IsUsableBy(space))
                {
                    return TpmRc.ReferenceSession(i);
                }

                plan.Name(authorizing);
            }

            plan.Authorizing.Add(authorizing);
        }

        return TpmRc.Success;
    }

    private TpmRc ResolveParameters(
        SpaceRecord space, ReadOnlySpan<byte> bytes, CommandPlan plan, in TpmCommand command)
    {
        ReadOnlySpan<byte> parameters = bytes[command.ParametersOffset..];
        switch (command.Code)
        {
            case TpmCc.FlushContext:
                return ResolveFlush(space, parameters, plan, command);
            case TpmCc.ContextLoad when !command.HasSessions:
                return ResolveLoad(space, parameters, plan);
            case TpmCc.StartAuthSession:
                plan.NewSessions = 1;
                break;
            default:
                plan.NewObjects = command.Attributes.ResponseHandle ? 1 : 0;
                break;
        }

        return Limit(space, plan);
    }

    /// <summary>
    /// Reads FlushContext's handle, which is among the parameters. A session may be named by either of its types.
    /// </summary>
    private TpmRc ResolveFlush(
        SpaceRecord space, ReadOnlySpan<byte> parameters, CommandPlan plan, in TpmCommand command)
    {
        if (command.HasSessions)
        {
            return TpmRc.AuthContext;
        }

        if (parameters.Length < sizeof(uint))
        {
            return TpmRc.Insufficient.ForParameter(0);
        }

        var handle = TpmHandle.Read(parameters);
        if (!handle.IsTransient && !handle.IsSession)
        {
            return TpmRc.ValueError.ForParameter(0);
        }

        if (parameters.Length > sizeof(uint))
        {
            return TpmRc.Size;
        }

        if (space.TryFind(handle, out TransientObject flushed))
        {
            plan.Name(flushed);
            plan.Subject = flushed;
            return TpmRc.Success;
        }

        if (ledger.Sessions.TryFind(handle, out Session session)
            && (session.IsUsableBy(space) || session.IsLoadableBy(space)))
        {
            plan.SubjectSession = session;
            return TpmRc.Success;
        }

        return TpmRc.HandleError.ForParameter(0);
    }

    /// <summary>
    /// Checks ContextLoad. An opener of the same owner may load a saved session once, from the latest context that its
    /// client has. The TPM itself judges contexts of unknown sessions and of objects.
    /// </summary>
    private TpmRc ResolveLoad(SpaceRecord space, ReadOnlySpan<byte> context, CommandPlan plan)
    {
        if (!TpmContext.TryRead(context, out TpmContext head))
        {
            return TpmRc.Success;
        }

        plan.Context = head;
        if (!head.SavedHandle.IsSession)
        {
            plan.NewObjects = 1;
            return Limit(space, plan);
        }

        if (ledger.Sessions.TryFind(head.SavedHandle, out Session known))
        {
            if (!known.IsLoadableBy(space) || !context.SequenceEqual(known.Token))
            {
                return TpmRc.HandleError.ForParameter(0);
            }

            plan.SubjectSession = known;
        }
        else if (ledger.Sessions.IsDoomed(head.SavedHandle))
        {
            return TpmRc.HandleError.ForParameter(0);
        }

        plan.NewSessions = 1;
        return Limit(space, plan);
    }

    private TpmRc Limit(SpaceRecord space, CommandPlan plan)
    {
        if (plan.NewObjects > 0 && !budget.HasRoomFor(space))
        {
            space.ForgetLost(ledger.Objects.End);
        }

        bool lacksObject = plan.NewObjects > 0 && !budget.HasRoomFor(space);
        bool lacksSession = plan.NewSessions > 0 && space.Sessions.Count >= space.Owner.Group.Limits.SessionsMax;
        plan.IsBeyondLimit = lacksObject || lacksSession;
        return lacksObject ? TpmRc.ObjectMemory : lacksSession ? TpmRc.SessionMemory : TpmRc.Success;
    }
}
