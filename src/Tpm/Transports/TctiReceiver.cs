using System.Runtime.Versioning;

namespace TpmFs.Tpm.Transports;

/// <summary>Waits for the response of a TCTI that other threads may call meanwhile, to cancel the command.</summary>
[SupportedOSPlatform("linux")]
internal static class TctiReceiver
{
    /// <summary>
    /// Receives a response, or the TCTI's error. Returns false when there is none before the deadline.
    /// </summary>
    /// <param name="handles">The descriptors to poll(2); empty where the TCTI does not name them.</param>
    /// <param name="result">A TSS2_RC other than <see cref="TctiRc.TryAgain"/>, on success.</param>
    public static bool TryReceive(
        TctiContext context,
        PollDescriptor[] handles,
        Span<byte> response,
        Deadline deadline,
        out uint result,
        out int size)
    {
        (result, size) = (TctiRc.TryAgain, 0);
        while (result == TctiRc.TryAgain && !deadline.Passed)
        {
            if (handles.Length == 0 || Polling.Wait(handles, deadline.SocketTimeout))
            {
                CallReceive(context, response, deadline, out result, out size);
            }
        }

        return result != TctiRc.TryAgain;
    }

    /// <summary>Calls the TCTI once. Where a cancel holds it until the deadline, the result is to try again.</summary>
    private static void CallReceive(
        TctiContext context, Span<byte> response, Deadline deadline, out uint result, out int size)
    {
        (result, size) = (TctiRc.TryAgain, 0);
        if (!context.Calls.TryEnter(deadline.Remaining))
        {
            return;
        }

        try
        {
            result = context.Receive(response, deadline.SocketTimeout, out size);
        }
        finally
        {
            context.Calls.Exit();
        }
    }
}
