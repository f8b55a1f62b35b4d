using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// From a request's bytes to the filesystem's method and to the reply. Several threads at once, each with a buffer of
/// its own.
/// </summary>
internal sealed class RequestDispatcher
{
    private readonly FuseFileSystem _fileSystem;
    private readonly Negotiation _negotiation;
    private readonly ReplyChannel _channel;
    private readonly PendingReads _reads;
    private readonly SessionRecords _records;
    private readonly IFuseLog _log;
    private int _stopped;

    public RequestDispatcher(
        FuseFileSystem fileSystem, Negotiation negotiation, SessionRecords records, IFuseOutput output, IFuseLog log)
    {
        _fileSystem = fileSystem;
        _log = log;
        _negotiation = negotiation;
        _records = records;
        _channel = new ReplyChannel(output, log);
        _reads = new PendingReads(_channel, records, log);
        Lender = new Lender(Lend);
    }

    /// <summary>Gets what lends threads by <see cref="Lend"/>.</summary>
    public Lender Lender { get; }

    public NegotiationState State => _negotiation.State;

    /// <summary>How many reads wait for their answer.</summary>
    public int PendingReads => _reads.Count;

    /// <summary>
    /// Serves one request. Never throws, whatever the bytes and whatever the filesystem does. Where the request was a
    /// write that succeeded, what comes back is the file: <see cref="Lend"/> is to be called for it.
    /// </summary>
    /// <param name="slot">Where the request is. The caller clears it afterwards.</param>
    /// <param name="length">The request's length, in bytes.</param>
    /// <param name="isRepeated">True when an earlier process had the request.</param>
    public WrittenFile? Dispatch(RequestSlot slot, int length, bool isRepeated = false)
    {
        Span<byte> bytes = slot.Buffer[..length];
        ReplyBuffer reply = slot.Reply;
        if (!FuseRequest.TryParse(bytes, isRepeated, out FuseInHeader header, out FuseRequest request))
        {
            _log.Error(
                $"A request of {bytes.Length} bytes says it has {header.Len} (opcode {(uint)header.Opcode}); it is "
                    + "refused.", null);
            if (header.Unique != 0 && ExpectsReply(header.Opcode))
            {
                _channel.Reply(header.Unique, Errno.EIO);
            }

            return null;
        }

        reply.Clear();
        switch (header.Opcode)
        {
            case FuseOpcode.Read:
                Read(ref request, slot);
                break;
            case FuseOpcode.Interrupt:
                Interrupt(ref request);
                break;
            case FuseOpcode.Forget or FuseOpcode.BatchForget:
                // Nobody waits for it. Twice it would take back too much, and not at all it leaves a number behind.
                slot.MarkDone();
                Answer(ref request, reply);
                break;
            default:
                Errno error = Answer(ref request, reply);
                if (!ExpectsReply(header.Opcode))
                {
                    break;
                }

                slot.MarkAnswered(error);
                if (error.IsError)
                {
                    _channel.Reply(header.Unique, error);
                }
                else
                {
                    _channel.Reply(header.Unique, reply.Written);
                    return request.Written;
                }

                break;
        }

        return null;
    }

    /// <summary>
    /// Serves again what an earlier process of the connection was at, before any new request is read.
    /// </summary>
    /// <param name="asksAgain">True when the kernel is to send again what it waits for.</param>
    /// <param name="written">Is told of each write for which <see cref="Lend"/> is to be called.</param>
    public FuseTakenOver Resume(bool asksAgain, Action<WrittenFile> written)
    {
        if (State == NegotiationState.Done)
        {
            _fileSystem.Started(_channel);
        }

        bool mayHang = asksAgain && !_channel.Resend();
        if (mayHang)
        {
            _log.Warning(
                "The kernel cannot send the requests again that were under way (Linux 6.9 and newer can); processes "
                    + "that wait for their answers wait until the connection ends.");
        }

        HashSet<ulong> waiting = [.. _records.Waiting.Select(read => FuseRequest.UniqueOf(read.Request))];
        _records.Waiting.ForEach(RepeatWaiting);
        int requests = 0;
        foreach (RequestSlot slot in _records.Requests)
        {
            if (slot.Length > 0)
            {
                requests++;
                if (!waiting.Contains(FuseRequest.UniqueOf(slot.Request)) && Repeat(slot) is { } file)
                {
                    written(file);
                }
            }

            slot.Clear(); // also of what is done, and was not wiped to its end
        }

        _records.Waiting.Clear();
        _fileSystem.Resumed();
        return new FuseTakenOver(requests, waiting.Count) { MayHang = mayHang };
    }

    /// <summary>Lends the filesystem this thread for an answered write, which may take long. Never throws.</summary>
    public FuseLendResult Lend(WrittenFile file)
    {
        try
        {
            return _fileSystem.Lend(file.Node, file.Open);
        }
        catch (Exception e)
        {
            _log.Error("The filesystem failed after the answer to a write.", e);
            return FuseLendResult.Nothing;
        }
    }

    /// <summary>Sets what each thread calls before it notifies a client that polls.</summary>
    public void BeforePoll(Action call) => _channel.BeforePoll = call;

    /// <summary>
    /// Keeps back the notifications that the calling thread makes, until <see cref="SendNotifications"/>.
    /// </summary>
    public void HoldNotifications() => _channel.Held.Begin();

    /// <summary>Sends the notifications that were kept back, whichever thread made them.</summary>
    public void SendNotifications() => _channel.SendHeld();

    /// <summary>
    /// The session has ended: reads that wait are answered with <paramref name="error"/>, and the filesystem is told,
    /// once.
    /// </summary>
    public void Close(Errno error)
    {
        _reads.Close(error);
        Stopped();
    }

    private void RepeatWaiting(RequestSlot read)
    {
        ulong unique = FuseRequest.UniqueOf(read.Request);
        Dispatch(read, read.Length, isRepeated: true);
        if (!_reads.Has(unique) && read.Length > 0)
        {
            read.Clear();
        }
    }

    private WrittenFile? Repeat(RequestSlot slot)
    {
        if (!slot.TryGetAnswer(out Errno error))
        {
            return Dispatch(slot, slot.Length, isRepeated: true);
        }

        // The kernel's own number, with the bit that it may have added.
        ulong unique = MemoryMarshal.Read<FuseInHeader>(slot.Request).Unique;
        _ = error.IsError ? _channel.Reply(unique, error) : _channel.Reply(unique, slot.Reply.Written);
        return null;
    }

    private static bool ExpectsReply(FuseOpcode opcode) =>
        opcode is not (FuseOpcode.Forget or FuseOpcode.BatchForget or FuseOpcode.Interrupt or FuseOpcode.NotifyReply);

    private void Read(ref FuseRequest request, RequestSlot slot)
    {
        ulong unique = request.Header.Unique;
        if (_negotiation.State != NegotiationState.Done || !request.Body.TryRead(out FuseReadIn read))
        {
            LogMalformed(request.Header);
            _channel.Reply(unique, Errno.EIO);
            return;
        }

        int size = (int)Math.Min(read.Size, (uint)_negotiation.MaxRead);
        if (!_reads.TryBegin(unique, size, slot))
        {
            _log.Error($"Read {unique} came while one of that number waits, or after the end; it is dropped.", null);
            return;
        }

        try
        {
            var arguments =
                new FuseReadArguments(read.Offset, size, read.Flags, (read.ReadFlags & FuseReadFlags.LockOwner) == 0)
                {
                    Noted = slot.Note,
                };
            _fileSystem.Read(
                request.Caller, request.Node, new OpenId(read.Fh), arguments, new FuseReadReply(_reads, unique));
            _reads.HandlerReturned(unique);
        }
        catch (Exception e)
        {
            LogException(request.Header, e);
            _reads.HandlerThrew(unique);
        }
    }

    private void Interrupt(ref FuseRequest request)
    {
        if (!request.Body.TryRead(out FuseInterruptIn interrupt))
        {
            LogMalformed(request.Header);
            return;
        }

        try
        {
            // Never answered with EAGAIN: the kernel would send it again at once, before all other requests, and so on
            // for as long as another thread takes for the request that it interrupts.
            _reads.Interrupt(interrupt.Unique);
        }
        catch (Exception e)
        {
            LogException(request.Header, e);
        }
    }

    private Errno Answer(ref FuseRequest request, ReplyBuffer reply)
    {
        try
        {
            if (request.Header.Opcode == _negotiation.Request)
            {
                return Init(ref request, reply);
            }

            if (_negotiation.State != NegotiationState.Done)
            {
                _log.Error($"Opcode {(uint)request.Header.Opcode} came before INIT; it is refused.", null);
                return Errno.EIO;
            }

            Errno error = Serve(ref request, reply);
            if (request.IsMalformed)
            {
                LogMalformed(request.Header);
            }

            return error;
        }
        catch (Exception e)
        {
            LogException(request.Header, e);
            if (request.Header.Opcode == _negotiation.Request)
            {
                _negotiation.Refuse();
            }

            return Errno.EIO;
        }
    }

    private Errno Init(ref FuseRequest request, ReplyBuffer reply)
    {
        Errno error = _negotiation.Init(ref request, reply);
        if (request.IsMalformed)
        {
            LogMalformed(request.Header);
        }

        if (_negotiation.State == NegotiationState.Agreed)
        {
            _records.Settle(reply.Written);
            _fileSystem.Started(_channel);
            _negotiation.Done();
        }

        return error;
    }

    private Errno Serve(ref FuseRequest request, ReplyBuffer reply) => request.Header.Opcode switch
    {
        FuseOpcode.Lookup => NodeRequests.Lookup(_fileSystem, ref request, reply),
        FuseOpcode.Forget => NodeRequests.Forget(_fileSystem, ref request),
        FuseOpcode.BatchForget => NodeRequests.BatchForget(_fileSystem, ref request),
        FuseOpcode.GetAttr => NodeRequests.GetAttributes(_fileSystem, ref request, reply),
        FuseOpcode.SetAttr => NodeRequests.SetAttributes(_fileSystem, ref request, reply),
        FuseOpcode.Access => NodeRequests.Access(_fileSystem, ref request),
        FuseOpcode.ReadLink => NodeRequests.ReadLink(_fileSystem, ref request, reply),
        FuseOpcode.MkDir => NodeRequests.MakeDirectory(_fileSystem, ref request, reply),
        FuseOpcode.RmDir => NodeRequests.RemoveDirectory(_fileSystem, ref request),
        FuseOpcode.StatFs => NodeRequests.StatFs(_fileSystem, ref request, reply),
        FuseOpcode.Open => FileRequests.Open(_fileSystem, ref request, reply),
        FuseOpcode.Write => FileRequests.Write(_fileSystem, ref request, reply),
        FuseOpcode.Poll => FileRequests.Poll(_fileSystem, ref request, reply),
        FuseOpcode.Ioctl => FileRequests.Ioctl(_fileSystem, ref request, reply),
        FuseOpcode.Flush => FileRequests.Flush(_fileSystem, ref request),
        FuseOpcode.FSync or FuseOpcode.FSyncDir => FileRequests.Sync(_fileSystem, ref request),
        FuseOpcode.Release => FileRequests.Release(_fileSystem, ref request),
        FuseOpcode.OpenDir => DirectoryRequests.Open(_fileSystem, ref request, reply),
        FuseOpcode.ReadDir => DirectoryRequests.Read(_fileSystem, ref request, reply),
        FuseOpcode.ReleaseDir => DirectoryRequests.Release(_fileSystem, ref request),
        FuseOpcode.GetXattr => XattrRequests.Get(_fileSystem, ref request, reply),
        FuseOpcode.ListXattr => XattrRequests.List(_fileSystem, ref request, reply),
        FuseOpcode.SetXattr => XattrRequests.Set(_fileSystem, ref request),
        FuseOpcode.RemoveXattr => XattrRequests.Remove(_fileSystem, ref request),
        FuseOpcode.Destroy => Stopped(),
        _ => NotOffered(request.Header.Opcode),
    };

    /// <summary>
    /// The error of an operation that no filesystem here has. ENOSYS means "never ask again", which makes the kernel do
    /// LSEEK (hole and data), STATX and SYNCFS by itself; it is also what kernels expect for operations invented later.
    /// Elsewhere people would read "Function not implemented".
    /// </summary>
    private static Errno NotOffered(FuseOpcode opcode) => opcode switch
    {
        FuseOpcode.Create or FuseOpcode.MkNod => Errno.EACCES,
        FuseOpcode.Unlink or FuseOpcode.Rename or FuseOpcode.Rename2 or FuseOpcode.Link or FuseOpcode.Symlink =>
            Errno.EPERM,
        FuseOpcode.GetLk or FuseOpcode.SetLk or FuseOpcode.SetLkW or FuseOpcode.BMap or FuseOpcode.FAllocate
            or FuseOpcode.CopyFileRange
            or FuseOpcode.SetupMapping or FuseOpcode.RemoveMapping or FuseOpcode.TmpFile => Errno.EOPNOTSUPP,
        _ => Errno.ENOSYS,
    };

    private Errno Stopped()
    {
        if (Interlocked.Exchange(ref _stopped, 1) == 0 && _negotiation.State == NegotiationState.Done)
        {
            _fileSystem.Stopped();
        }

        return Errno.None;
    }

    private void LogMalformed(in FuseInHeader header) =>
        _log.Error(
            $"Request {header.Unique} of {header.Len} bytes is malformed (opcode {(uint)header.Opcode}); "
                + "it is refused.",
            null);

    private void LogException(in FuseInHeader header, Exception exception) =>
        _log.Error(
            $"The filesystem failed at request {header.Unique} (opcode {(uint)header.Opcode}); "
                + "it is answered with EIO.",
            exception);
}
