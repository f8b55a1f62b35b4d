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

    private readonly Lock gate = new();
    private byte[]? content;
    private bool ordered;

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
        lock (gate)
        {
            if (content is null || arguments.Offset == 0)
            {
                content = Encoding.UTF8.GetBytes(file.Content());
            }

            shown = content;
        }

        var start = (int)Math.Min(arguments.Offset, (ulong)shown.Length);
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
        var order = Encoding.Latin1.GetString(data.TrimEnd((byte)'\n'));
        lock (gate)
        {
            var error = file.Take(order, !ordered);
            ordered |= !error.IsError;
            written = error.IsError ? 0 : data.Length;
            return error;
        }
    }
}
