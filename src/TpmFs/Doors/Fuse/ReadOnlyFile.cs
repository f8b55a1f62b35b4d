using TpmFs.Clients;
using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// One open file description of a TPM node that is open for reading alone. No command can be written to it, so there is
/// never a response to read.
/// </summary>
/// <param name="node">The node.</param>
/// <param name="left">Is called when the client has closed the file.</param>
internal sealed class ReadOnlyFile(TpmNode node, Action left) : OpenFile
{
    public override FuseOpenFlags Flags => FuseOpenFlags.DirectIo | FuseOpenFlags.Stream | FuseOpenFlags.NoFlush;

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
    {
        if (node.IsGone)
        {
            reply.Fail(SpaceErrno.Gone);
        }
        else
        {
            reply.Complete([]);
        }
    }

    public override PollEvents Poll(PollId? notify, PollEvents wanted) =>
        node.IsGone ? PollEvents.Err | PollEvents.Hup : PollEvents.Out | PollEvents.WriteNormal;

    public override void Release() => left();
}
