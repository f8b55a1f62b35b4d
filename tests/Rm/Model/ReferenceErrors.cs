using System.Buffers.Binary;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// The manager looks whether all that a command names is there before the TPM sees it, so that of several errors in one
/// command it may answer TPM_RC_REFERENCE where a TPM would answer another. That is right when what it blames is really
/// not there.
/// </summary>
internal static class ReferenceErrors
{
    /// <summary>
    /// The handle that a TPM_RC_REFERENCE_Hn or Sn of this command is about; null when the code is another, or there is
    /// no such handle.
    /// </summary>
    public static uint? Blamed(uint code, byte[] command)
    {
        int n = (int)code & 7;
        return (code & 0xFFF8) switch
        {
            Rc.ReferenceH0 => Read(command, 10 + (4 * n)),
            Rc.ReferenceS0 => Session(command, n),
            _ => null,
        };
    }

    private static uint? Session(byte[] command, int n)
    {
        int at = 10 + (4 * (CommandTable.Find(CommandLog.CodeOf(command))?.HandleKinds.Length ?? 0)) + 4;
        for (; n > 0; n--)
        {
            at += 4;
            at += 3 + Size(command, at);
            at += 2 + Size(command, at);
        }

        return Read(command, at);
    }

    private static uint? Read(byte[] bytes, int at) =>
        at + 4 <= bytes.Length ? BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)) : null;

    private static int Size(byte[] bytes, int at) =>
        at + 2 <= bytes.Length ? BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at)) : 0;
}
