using System.Text;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;

namespace TpmFs.Tree.Controls;

/// <summary>
/// One open file description of a control file. Its content is made when a client reads at offset 0, and kept for this
/// open until its end is read, so that a client that reads in pieces sees one moment. One write is one order, whatever
/// its offset.
/// </summary>
/// <param name="payer">The user whose shares it uses.</param>
internal class ControlOpen(ControlFile file, uint payer) : OpenFile
{
    private const int MaxOrder = 64 * 1024;

    private readonly Lock _gate = new();
    private byte[]? _kept;
    // the length of content that was read to its end, which is an end of file until a read from the start
    private int? _end;
    private bool _ordered;
    private bool _isReleased;

    /// <summary>
    /// Gets the flags for the kernel. The size of the file shows as 0, so the kernel must ask in any case.
    /// </summary>
    public override FuseOpenFlags Flags => FuseOpenFlags.DirectIo | FuseOpenFlags.NoFlush;

    public override bool TakesOrders => true;

    public override void Attach(OpenRecord record)
    {
        base.Attach(record);
        _ordered = record.HasOrdered;
        _end = record.End >= 0 ? (int)record.End : null;
    }

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
    {
        Errno refused = Refusal;
        if (refused.IsError)
        {
            reply.Fail(refused);
            return;
        }

        byte[] shown;
        int start;
        int count;
        lock (_gate)
        {
            shown = Content(arguments.Offset);
            start = (int)Math.Min(arguments.Offset, (ulong)shown.Length);
            count = Math.Min(arguments.Size, shown.Length - start);
            Keep(shown, start + count);
        }

        reply.Complete(shown.AsSpan(start, count));
    }

    public override Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        Errno refused = Refusal;
        if (refused.IsError || data.Length > MaxOrder)
        {
            return refused.IsError ? refused : Errno.E2BIG;
        }

        // ASCII is all that any control file takes; another byte becomes a character that none of them does.
        string order = Encoding.Latin1.GetString(data.TrimEnd((byte)'\n'));
        lock (_gate)
        {
            Errno error = file.Take(order, !_ordered);
            if (error == Errno.ESRCH && arguments.Request.IsRepeated)
            {
                error = Errno.None; // an earlier daemon has ended the opener that the order names
            }

            if (!_ordered && !error.IsError)
            {
                _ordered = true;
                Record?.HasOrdered = true;
            }

            written = error.IsError ? 0 : data.Length;
            return error;
        }
    }

    public override void Release()
    {
        lock (_gate)
        {
            _isReleased = true;
            Drop();
        }

        file.Context.Close(file.Account, payer);
    }

    /// <summary>Gets the reason why the file takes no reads and orders of its opener any more.</summary>
    private Errno Refusal =>
        file.IsGone ? SpaceErrno.Gone
        : Record is { } record && !file.MayUse(record.Opener.Uid) ? Errno.EACCES : Errno.None;

    /// <summary>Returns the content that a read at an offset is taken from. Under the lock.</summary>
    private byte[] Content(ulong offset)
    {
        bool isAtEnd = offset > 0 && offset >= (ulong?)_end;
        return isAtEnd ? [] : offset > 0 && _kept is not null ? _kept : file.ContentFor(payer);
    }

    /// <summary>
    /// Keeps content until its last byte is read. A user for whom too much is kept already gets the present content at
    /// each read instead. Under the lock.
    /// </summary>
    /// <param name="shown">The content that was read.</param>
    /// <param name="end">The end of the read in it.</param>
    private void Keep(byte[] shown, int end)
    {
        if (end == shown.Length)
        {
            Drop();
            SetEnd(shown.Length > 0 ? shown.Length : _end);
        }
        else if (shown != _kept)
        {
            Drop();
            SetEnd(null);
            _kept = !_isReleased && file.Context.TryKeep(file.Account, payer, shown.Length) ? shown : null;
        }
    }

    private void SetEnd(int? end)
    {
        if (end != _end)
        {
            _end = end;
            Record?.End = end ?? -1;
        }
    }

    private void Drop()
    {
        if (_kept is not null)
        {
            file.Context.Drop(file.Account, payer, _kept.Length);
            _kept = null;
        }
    }
}
