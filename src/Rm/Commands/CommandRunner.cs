using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Carries a managed command out: finds what the command names, loads that into the TPM, writes the TPM's handles into
/// the command, sends it, and records what it did. Used by the manager's thread alone.
/// </summary>
internal sealed class CommandRunner(
    CommandResolver resolver,
    LocalAnswers localAnswers,
    Preparation preparation,
    CommandExchange exchange,
    Recovery recovery,
    CommandBuffers buffers)
{
    /// <summary>
    /// The most tries of a command in one turn. Each try but the last has changed something: it made room, or dropped
    /// what is gone.
    /// </summary>
    private const int MaxPasses = 200;

    private readonly CommandPlan _plan = new();

    /// <summary>Carries the command out, as far as it gets.</summary>
    public CommandOutcome Run(PendingCommand pending)
    {
        for (int pass = 0; pass < MaxPasses; pass++)
        {
            if (TryOnce(pending) is { } outcome)
            {
                return outcome with { IsDenied = _plan.IsDenied };
            }
        }

        return buffers.AnswerAsManager(TpmRc.Memory);
    }

    /// <summary>
    /// Records what a command did that the last manager had sent, and whose response is in the buffer.
    /// </summary>
    /// <param name="length">The response's length.</param>
    /// <param name="isRecorded">
    /// False when the command names what its space does not have, or may not use any more.
    /// </param>
    /// <returns>Null when the command is to be carried out again.</returns>
    public CommandOutcome? Record(PendingCommand pending, int length, out bool isRecorded)
    {
        TpmRc problem = resolver.Resolve(pending.Space.Record, pending.Bytes, _plan, out TpmCommand command);
        isRecorded = problem.IsSuccess;
        return isRecorded ? exchange.Record(pending, _plan, command, length) : Refusal(problem);
    }

    /// <summary>Tries the command once. Returns null when it is to be tried again at once.</summary>
    private CommandOutcome? TryOnce(PendingCommand pending)
    {
        SpaceRecord space = pending.Space.Record;
        TpmRc problem = resolver.Resolve(space, pending.Bytes, _plan, out TpmCommand command);
        if (!problem.IsSuccess)
        {
            return Refusal(problem);
        }

        if (localAnswers.TryAnswer(space, pending.Bytes, command, _plan, buffers.Response, out int length))
        {
            return buffers.Answer(length);
        }

        if (command.Code == TpmCc.StartAuthSession && recovery.QueueForSession(pending) is { } queued)
        {
            return queued;
        }

        TpmStepResult step = preparation.Prepare(_plan, command, pending.Bytes);
        if (step != TpmStepResult.Done)
        {
            return recovery.AfterStep(step, pending, _plan);
        }

        return pending.IsCanceled ? buffers.AnswerAsTpm(TpmRc.Canceled) : exchange.Run(pending, _plan, command);
    }

    private CommandOutcome Refusal(TpmRc problem)
    {
        bool isOwnRefusal = _plan.IsBeyondLimit || (_plan.IsDenied && problem != TpmRc.Initialize);
        return isOwnRefusal ? buffers.AnswerAsManager(problem) : buffers.AnswerAsTpm(problem);
    }
}
