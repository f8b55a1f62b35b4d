using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Manager;

/// <summary>
/// Goes on where the last manager ended: ends the exchange that it had begun, records what the commands did whose
/// responses it had not recorded, and answers the client. Used once, before the manager starts; the ledger is then as
/// if the last manager had ended between two commands.
/// </summary>
internal sealed class Adoption(ManagerParts parts, ManagerLoop loop, SpaceServices services)
{
    private readonly LedgerMirror _mirror = parts.Ledger.Mirror;
    private readonly UnrecordedCommand _unrecorded = new(parts.Ledger);

    /// <summary>Ends what the last manager had begun.</summary>
    /// <param name="reopened">The spaces that go on, with the commands that were handed in again.</param>
    /// <param name="connect">The time for which to try to reach the TPM.</param>
    /// <returns>A sentence about the fate of the command that was under way; empty when there was none.</returns>
    public string Finish(IReadOnlyDictionary<SpaceId, ManagedSpace> reopened, TimeSpan connect)
    {
        (ExchangeRecord client, ExchangeRecord own) = (_mirror.Client!, _mirror.Own!);
        if (client.IsUnanswered || own.IsUnanswered)
        {
            _ = parts.Channel.TryConnect(connect);
        }

        string done = FinishOwn(own);
        if (parts.Ledger.Answer.Number > 0)
        {
            done = Deliver(parts.Ledger.Answer, reopened);
        }
        else if (client.Phase != ExchangePhase.None)
        {
            done = FinishClient(client, reopened);
        }

        _mirror.Commit();
        client.Wipe();
        own.Wipe();
        parts.Ledger.Answer.Forget();
        _mirror.Commit();
        return done;
    }

    private string FinishOwn(ExchangeRecord own)
    {
        if (own.Phase == ExchangePhase.None)
        {
            return "";
        }

        TransmitStatus status = End(own);
        if (status == TransmitStatus.Ok)
        {
            _unrecorded.RecordOwn(own.Command, own.Response);
        }

        _mirror.Commit(); // which finishes the exchange, too
        return status == TransmitStatus.Ok
            ? "A command of the daemon's own was under way, and was finished."
            : status == TransmitStatus.NotSent
            ? "A command of the daemon's own was about to be sent."
            : $"A command of the daemon's own was under way, and its response is lost: {parts.Channel.Problem}.";
    }

    /// <summary>Answers a command that the last manager had carried out and recorded.</summary>
    private string Deliver(AnswerRecord answer, IReadOnlyDictionary<SpaceId, ManagedSpace> reopened)
    {
        if (Find(reopened, answer.Space, answer.Number) is { } waiting)
        {
            answer.Response.CopyTo(parts.Buffers.Response);
            loop.Complete(waiting, answer.Failure is { } failure
                ? CommandOutcome.Failed(failure) : parts.Buffers.Answer(answer.Response.Length));
        }

        return "A client's command had just been carried out.";
    }

    private string FinishClient(ExchangeRecord client, IReadOnlyDictionary<SpaceId, ManagedSpace> reopened)
    {
        TransmitStatus status = End(client);
        if (status == TransmitStatus.NotSent)
        {
            return "A client's command was about to be sent; it is sent now.";
        }

        PendingCommand? waiting = Find(reopened, client.Space, client.Number);
        PendingCommand? pending = waiting ?? Departed(client);
        CommandOutcome outcome = status != TransmitStatus.Ok ? CommandOutcome.Failed(parts.Channel.Loss)
            : pending is not null ? Record(client, pending) : CommandOutcome.Failed(SpaceFailure.Fault);
        if (waiting is not null)
        {
            loop.Complete(waiting, outcome);
        }

        return status == TransmitStatus.Ok
            ? "A client's command was under way, and was finished."
            : $"A client's command was under way, and its response is lost: {parts.Channel.Problem}.";
    }

    /// <summary>Receives a response, where it is not there yet.</summary>
    private TransmitStatus End(ExchangeRecord begun)
    {
        if (begun.Phase == ExchangePhase.Received)
        {
            return TransmitStatus.Ok;
        }

        return parts.Channel.IsUp ? parts.Channel.Finish(begun).Status : TransmitStatus.Disconnected;
    }

    /// <summary>Records what a client's command did, as the last manager would have.</summary>
    private CommandOutcome Record(ExchangeRecord client, PendingCommand pending)
    {
        client.Response.CopyTo(parts.Buffers.Response);
        int length = client.Response.Length;
        if (pending.Space.Record.IsRaw)
        {
            return parts.Raw.Record(pending, length);
        }

        CommandOutcome? outcome = parts.Runner.Record(pending, length, out bool isRecorded);
        if (!isRecorded)
        {
            bool hasHandle = parts.Profile.TryGetCommand(pending.Code, out TpmaCc attributes)
                && attributes.ResponseHandle;
            _unrecorded.DoomMade(client.Response, hasHandle, pending.Space.Owner);
        }

        return outcome ?? CommandOutcome.Later(TimeSpan.Zero);
    }

    /// <summary>Takes the command with this number, where its client has handed it in again.</summary>
    private PendingCommand? Find(IReadOnlyDictionary<SpaceId, ManagedSpace> reopened, SpaceId id, long number) =>
        reopened.TryGetValue(id, out ManagedSpace? space) && space.Pending.Count == number
            && parts.Dispatcher.TryTake(space.Pending) ? space.Pending : null;

    /// <summary>
    /// Returns a command whose client is gone, or has its answer: the command's effects are recorded all the same.
    /// Returns null when its space is not known.
    /// </summary>
    private PendingCommand? Departed(ExchangeRecord client)
    {
        if (parts.Ledger.Spaces.Find(client.Space) is not { } record || client.Command.Length < TpmHeader.Length)
        {
            return null;
        }

        PendingCommand departed = new ManagedSpace(services, record, NoClient.Instance).Pending;
        departed.Take(client.Command, parts.Time.GetTimestamp());
        return departed;
    }

    /// <summary>Takes answers that nobody waits for.</summary>
    private sealed class NoClient : ISpaceClient
    {
        public static NoClient Instance { get; } = new();

        public void Completed(ReadOnlySpan<byte> response)
        {
        }

        public void Denied(TpmCc command)
        {
        }

        public void Failed(SpaceFailure failure)
        {
        }
    }
}
