using System.Runtime.InteropServices;

namespace TpmFs.Fuse;

internal static class ErrnoText
{
    /// <summary>What strerror(3) says, for messages to people.</summary>
    public static string Text(this Errno error) => Marshal.GetPInvokeErrorMessage(error.Value);
}
