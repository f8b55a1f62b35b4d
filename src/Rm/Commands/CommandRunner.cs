using System.Buffers.Binary;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// Carries one command out: finds what it names, makes that resident, gives it the TPM's handles, sends it, and deals
/// with a TPM that has no room, wants it again later, or was restarted. Used by the manager's thread alone.
/// </summary>
internal sealed class CommandRunner(
    TpmChannel channel,
    CommandResolver resolver,
    LocalAnswers localAnswers,
    ObjectResidency objects,
    SessionTable sessions,
    SessionResidency sessionSlots,
    PowerState power,
    ResponseTracker tracker,
    RoomMaker room,
    RetryPolicy retries,
    RawPassage raw)
{
    /// <summary>
    /// How often a command is tried in one go. Each try but the last has changed something: made room, or dropped what
    /// is gone.
    /// </summary>
    private const int MaxPasses = 200;

    private readonly CommandPlan _plan = new();
    private readonly byte[] _command = new byte[64 * 1024];
    private readonly byte[] _response = new byte[64 * 1024];

    /// <summary>What a command that waits for room lacks.</summary>
    private TpmRc _lacking = TpmRc.ObjectMemory;

    /// <summary>The response to the command that was run last.</summary>
    public ReadOnlySpan<byte> Response(int length) => _response.AsSpan(0, length);

    /// <summary>Whether the command that was run last is answered, with success.</summary>
    public bool HasSucceeded(in CommandOutcome outcome) =>
        TpmHeader.TryRead(Response(outcome.Length), out TpmHeader header) && header.ResponseCode.IsSuccess;

    /// <summary>
    /// Zeroes the command that was run last and its response; of one that failed a part of any length may be there.
    /// </summary>
    public void Wipe(int commandLength, in CommandOutcome outcome)
    {
        _command.AsSpan(0, commandLength).Clear();
        _response.AsSpan(
            0, outcome.Kind == CommandOutcomeKind.Failed ? _response.Length : Math.Max(commandLength, outcome.Length))
            .Clear();
    }

    /// <summary>Whether policy refused the command that was run last.</summary>
    public bool WasDenied => _plan.IsDenied;

    public CommandOutcome Run(PendingCommand pending)
    {
        _plan.Clear();
        if (pending.Space.IsRaw)
        {
            return raw.Run(pending, _command, _response);
        }

        for (int pass = 0; pass < MaxPasses; pass++)
        {
            if (TryOnce(pending) is { } outcome)
            {
                return outcome;
            }
        }

        return Answer(TpmRc.Memory);
    }

    /// <summary>One try; null when the command is to be tried again at once.</summary>
    private CommandOutcome? TryOnce(PendingCommand pending)
    {
        ManagedSpace space = pending.Space;
        TpmRc problem = resolver.Resolve(space, pending.Bytes, _plan, out TpmCommand command);
        if (!problem.IsSuccess)
        {
            return _plan.IsDenied && problem == TpmRc.Initialize ? AnswerAsTpm(problem) : Answer(problem);
        }

        if (localAnswers.TryAnswer(space, pending.Bytes, command, _plan, _response, out int length))
        {
            return CommandOutcome.Answered(length);
        }

        if (command.Code == TpmCc.StartAuthSession && retries.MustQueueForSession(pending))
        {
            return retries.UntilSession(pending) ?? Answer(TpmRc.SessionHandles);
        }

        TpmStepResult step = Prepare(command, pending.Bytes);
        if (step != TpmStepResult.Done)
        {
            return AfterStep(step, pending);
        }

        return pending.IsCanceled ? Answer(TpmRc.Canceled) : Exchange(pending, command);
    }

    /// <summary>Brings the TPM into the state that the command needs.</summary>
    private TpmStepResult Prepare(in TpmCommand command, ReadOnlySpan<byte> bytes)
    {
        TpmStepResult step = command.Code == TpmCc.Shutdown ? room.ReleaseAll() : TpmStepResult.Done;
        if (step == TpmStepResult.Done && command.Attributes.Extensive)
        {
            step = objects.LearnHierarchies();
        }

        _plan.NewObjects += room.AppetiteOf(command, bytes);
        _lacking = TpmRc.SessionMemory;
        step = step == TpmStepResult.Done ? sessionSlots.Prepare(_plan) : step;
        if (step != TpmStepResult.Done)
        {
            return step;
        }

        _lacking = TpmRc.ObjectMemory;
        return objects.Prepare(_plan);
    }

    private CommandOutcome? Exchange(PendingCommand pending, in TpmCommand command)
    {
        int length = Translate(pending.Space, pending.Bytes, command);
        TransmitResult result = channel.Transmit(
            _command.AsMemory(0, length), pending.Space.Owner.Locality, _response, TimeLimits.Of(command.Code));
        if (retries.Unanswered(pending, result.Status, _response) is { } unanswered)
        {
            return unanswered;
        }

        Span<byte> response = _response.AsSpan(0, result.Length);
        if (!TpmHeader.TryRead(response, out TpmHeader header))
        {
            return CommandOutcome.Failed(SpaceFailure.TransportLost);
        }

        if (!header.ResponseCode.IsSuccess)
        {
            return Refused(pending, command, header.ResponseCode, result.Length);
        }

        tracker.Apply(pending.Space, pending.Bytes, command, _plan, response);
        if (command.Code == TpmCc.Startup)
        {
            power.ClientStarted();
        }

        return CommandOutcome.Answered(result.Length);
    }

    /// <summary>Writes the command as the TPM is to see it; returns its length.</summary>
    private int Translate(ManagedSpace space, ReadOnlySpan<byte> bytes, in TpmCommand command)
    {
        bytes.CopyTo(_command);
        for (int i = 0; i < command.HandleCount; i++)
        {
            TpmHandle named = TpmCommand.Handle(bytes, i);
            if (named.IsTransient && space.TryFind(named, out TransientObject found))
            {
                WriteHandle(TpmCommand.HandleOffset(i), found);
            }
        }

        if (command.Code == TpmCc.FlushContext && _plan.Subject is { } flushed)
        {
            WriteHandle(command.ParametersOffset, flushed);
        }

        if (command.Code == TpmCc.ContextLoad && _plan.SubjectSession?.Context is { } context)
        {
            var writer = new TpmWriter(_command);
            writer.BeginMessage(TpmSt.NoSessions, (uint)TpmCc.ContextLoad);
            writer.WriteBytes(context);
            return writer.FinishMessage().Length;
        }

        return bytes.Length;
    }

    private void WriteHandle(int offset, TransientObject named) =>
        BinaryPrimitives.WriteUInt32BigEndian(_command.AsSpan(offset), named.Resident!.Value.Value);

    /// <summary>The TPM did not do it: makes good what can be made good, else passes its answer on.</summary>
    private CommandOutcome? Refused(PendingCommand pending, in TpmCommand command, TpmRc code, int length)
    {
        tracker.TouchNamed(_plan);
        CommandOutcome? outcome = CommandOutcome.Answered(length);
        if (code == TpmRc.Initialize)
        {
            return command.Code == TpmCc.Startup ? outcome : AfterStep(power.Verify(), pending);
        }

        if (code.IsObjectRoom() || code == TpmRc.SessionMemory)
        {
            TpmStepResult made = room.Make(_plan, command, pending.Bytes, code);
            return made == TpmStepResult.NoRoom
                ? retries.UntilSlot(pending, _plan) ?? Answer(code) : AfterStep(made, pending);
        }

        if (code == TpmRc.SessionHandles)
        {
            TpmStepResult given = room.GiveSessionBack(pending, retries.Waited(pending));
            return given == TpmStepResult.NoRoom
                ? retries.UntilSession(pending) ?? Answer(code) : AfterStep(given, pending);
        }

        if (code == TpmRc.ContextGap)
        {
            TpmStepResult closed = sessionSlots.Regap(_plan);
            return closed == TpmStepResult.NoRoom ? outcome : AfterStep(closed, pending);
        }

        if (code.IsPutOff())
        {
            bool wanted = (code == TpmRc.Testing && command.Code == TpmCc.SelfTest)
                || (code == TpmRc.Canceled && pending.IsCanceled);
            return wanted ? outcome : retries.AfterPutOff(pending) ?? outcome;
        }

        return DropUnknown(pending, command, code) ? AfterStep(power.Verify(), pending) : outcome;
    }

    /// <summary>
    /// The TPM says that it does not know what should be there: it was restarted, or somebody else flushed it. False
    /// when its answer is not about anything of the manager's.
    /// </summary>
    private bool DropUnknown(PendingCommand pending, in TpmCommand command, TpmRc code)
    {
        bool isLoad = command.Code == TpmCc.ContextLoad;
        if (isLoad || (command.Code == TpmCc.FlushContext && code == TpmRc.HandleError.ForParameter(0)))
        {
            return Drop(isLoad ? null : _plan.Subject, _plan.SubjectSession);
        }

        for (int i = 0; i < command.HandleCount; i++)
        {
            TpmHandle named = TpmCommand.Handle(pending.Bytes, i);
            if (code == TpmRc.ReferenceHandle(i))
            {
                pending.Space.TryFind(named, out TransientObject unknown);
                sessions.TryFind(named, out Session ended);
                return Drop(unknown, ended);
            }
        }

        for (int i = 0; i < _plan.Authorizing.Count; i++)
        {
            if (code == TpmRc.ReferenceSession(i))
            {
                return Drop(null, _plan.Authorizing[i]);
            }
        }

        return false;
    }

    private bool Drop(TransientObject? unknown, Session? ended)
    {
        if (unknown is not null)
        {
            objects.Left(unknown);
        }

        if (ended is not null)
        {
            sessions.Doom(ended);
        }

        return unknown is not null || ended is not null;
    }

    /// <summary>
    /// What follows from a step before or after the exchange; null when the command is to be tried again at once.
    /// </summary>
    private CommandOutcome? AfterStep(TpmStepResult step, PendingCommand pending)
    {
        switch (step)
        {
            case TpmStepResult.Done:
                return null;
            case TpmStepResult.Lost:
                return retries.UntilTpmIsBack(pending);
            case TpmStepResult.PutOff:
                return retries.AfterPutOff(pending) ?? Answer(TpmRc.Retry);
            case TpmStepResult.NoRoom:
                return retries.UntilSlot(pending, _plan) ?? Answer(_lacking);
            case TpmStepResult.Gap:
                return AfterStep(
                    sessionSlots.Regap(_plan) is var closed && closed == TpmStepResult.Gap
                        ? TpmStepResult.NoRoom : closed, pending);
            default:
                TpmStepResult verified = power.Verify();
                return verified == TpmStepResult.Inconsistent ? Answer(TpmRc.Failure) : AfterStep(verified, pending);
        }
    }

    private CommandOutcome AnswerAsTpm(TpmRc code) => CommandOutcome.Answered(TpmResponse.Write(_response, code));

    private CommandOutcome Answer(TpmRc code) => CommandOutcome.Answered(_response, code);
}
