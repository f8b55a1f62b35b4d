using System.Text;
using TpmFs.Fuse;
using TpmFs.Nodes;
using TpmFs.Openers;

namespace TpmFs.Controls;

/// <summary>
/// One open file description of a control file. What is read is made at offset 0 and kept for this open, so that a reader in pieces sees one
/// moment; one write is one order, whatever its offset.
/// </summary>
internal class ControlOpen(ControlFile file) : OpenFile
{
    private const int MaxOrder = 64 * 1024;

    private readonly Lock _gate = new();
    private byte[]? _content;
    private bool _ordered;

    /// <summary>Its size shows as 0, so the kernel must ask in any case.</summary>
    public override FuseOpenFlags Flags => FuseOpenFlags.DirectIo | FuseOpenFlags.NoFlush;

    public override bool TakesOrders => true;

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
    {
        if (file.IsGone)
        {
            reply.Fail(SpaceErrno.Gone);
            return;
        }

        byte[] shown;
        lock (_gate)
        {
            if (_content is null || arguments.Offset == 0)
            {
                _content = Encoding.UTF8.GetBytes(file.Content());
            }

            shown = _content;
        }

        int start = (int)Math.Min(arguments.Offset, (ulong)shown.Length);
        reply.Complete(shown.AsSpan(start, Math.Min(arguments.Size, shown.Length - start)));
    }

    public override Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        if (file.IsGone || data.Length > MaxOrder)
        {
            return file.IsGone ? SpaceErrno.Gone : Errno.E2BIG;
        }

        // ASCII is all that any control file takes; another byte becomes a character that none of them does.
        string order = Encoding.Latin1.GetString(data.TrimEnd((byte)'\n'));
        lock (_gate)
        {
            Errno error = file.Take(order, !_ordered);
            _ordered |= !error.IsError;
            written = error.IsError ? 0 : data.Length;
            return error;
        }
    }
}
