using System.Runtime.InteropServices;
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
internal sealed class CharacterNegotiation(string name, DeviceNumber number, int maxWrite, IFuseLog log)
    : Negotiation(FuseOpcode.CuseInit, maxWrite, log)
{
    public override int MaxRead => MaxWrite;

    protected override NegotiationState Agree(ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out CuseInitIn init))
        {
            request.Malformed();
            return NegotiationState.Refused;
        }

        if (init.Major != Major || init.Minor < OldestMinor)
        {
            Log.Error(
                $"The kernel speaks CUSE {init.Major}.{init.Minor}; {Major}.{OldestMinor} "
                    + "(Linux 5.4) or a newer minor version is needed.", null);
            return NegotiationState.Refused;
        }

        // No flags: ioctl(2) is restricted to what its number says of its argument, so that the device never reads or
        // writes any other memory of a caller.
        reply.Put(new CuseInitOut(
            Major, Minor, Unused: 0, Flags: 0, (uint)MaxWrite, (uint)MaxWrite, number.Major,
            number.Minor, default));
        reply.Append(Encoding.ASCII.GetBytes($"DEVNAME={DeviceName.ForKernel(name)}\0"));
        return NegotiationState.Agreed;
    }

    protected override uint? MaxWriteOf(ReadOnlySpan<byte> answer) =>
        MemoryMarshal.TryRead(answer, out CuseInitOut settled) ? settled.MaxWrite : null;
}
