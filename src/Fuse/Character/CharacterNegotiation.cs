using System.Text;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Character;

/// <summary>
/// CUSE_INIT: agrees with the kernel on a version, and tells it the name and the number of the device that it is to
/// make. The kernel makes the device before the call that writes the answer returns; where it cannot, it ends the
/// connection instead.
/// </summary>
/// <param name="name">See <see cref="DeviceName"/>.</param>
/// <param name="number">The number that the device is to have; a major number of 0 lets the kernel choose that.</param>
/// <param name="maxWrite">The most that one WRITE or READ carries, in bytes.</param>
internal sealed class CharacterNegotiation(string name, DeviceNumber number, int maxWrite, IFuseLog log) : INegotiation
{
    private volatile NegotiationState _state;

    public NegotiationState State => _state;

    public FuseOpcode Request => FuseOpcode.CuseInit;

    public int MaxRead => maxWrite;

    public int MaxWrite => maxWrite;

    public void Restore(ReadOnlySpan<byte> settled) => _state = NegotiationState.Done;

    public Errno Init(ref FuseRequest request, ReplyBuffer reply)
    {
        if (_state != NegotiationState.Pending)
        {
            log.Error("The kernel sent a second CUSE_INIT; it is refused.", null);
            return Errno.EIO;
        }

        if (!request.Body.TryRead(out CuseInitIn init))
        {
            _state = NegotiationState.Refused;
            return request.Malformed();
        }

        if (init.Major != Negotiation.Major || init.Minor < Negotiation.OldestMinor)
        {
            log.Error(
                $"The kernel speaks CUSE {init.Major}.{init.Minor}; {Negotiation.Major}.{Negotiation.OldestMinor} "
                    + "(Linux 5.4) or a newer minor version is needed.", null);
            return Refuse();
        }

        // No flags: ioctl(2) is restricted to what its number says of its argument, so that the device never reads or
        // writes any other memory of a caller.
        reply.Put(new CuseInitOut(
            Negotiation.Major, Negotiation.Minor, Unused: 0, Flags: 0, (uint)maxWrite, (uint)maxWrite, number.Major,
            number.Minor, default));
        reply.Append(Encoding.ASCII.GetBytes($"DEVNAME={DeviceName.ForKernel(name)}\0"));
        _state = NegotiationState.Agreed;
        return Errno.None;
    }

    public void Done() => _state = NegotiationState.Done;

    public Errno Refuse()
    {
        _state = NegotiationState.Refused;
        return Errno.EPROTO;
    }
}
