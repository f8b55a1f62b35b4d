using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>One command and its response on a device that is open.</summary>
[SupportedOSPlatform("linux")]
internal static class DeviceExchange
{
    /// <summary>Longer than the two clocks may differ by themselves, and shorter than any sleep of a machine.</summary>
    private static readonly TimeSpan s_shortestSleep = TimeSpan.FromMilliseconds(500);

    /// <summary>Sends a command and receives its response.</summary>
    /// <param name="path">The device's path, for messages.</param>
    public static TransmitResult Run(
        SafeFileHandle device, string path, ReadOnlySpan<byte> command, Span<byte> response, TimeSpan timeout)
    {
        var deadline = Deadline.After(timeout);
        TimeSpan asleep = BootClock.TimeAsleep();
        Errno error = FileCalls.Write(device, command);
        if (error.IsError)
        {
            TransmitStatus status = IsRefusal(error) ? TransmitStatus.CommandRefused : TransmitStatus.NotSent;
            return new(status, 0, $"{path} does not take a command: {error.Text()}");
        }

        error = Receive(device, response, deadline, out int received, out string? problem);
        return error switch
        {
            { IsError: false } when problem is null => new(TransmitStatus.Ok, received),
            { IsError: false } => new(TransmitStatus.Disconnected, 0, $"{path}: {problem}"),
            _ when IsRefusal(error) => new(
                TransmitStatus.CommandRefused, 0, $"{path} does not take the command: {error.Text()}"),
            _ when error == Errno.ETIME => new(
                TransmitStatus.TimedOut, 0, $"no response from {path} in {timeout.TotalSeconds:0.###} s"),

            // While the machine goes to sleep, a driver that sleeps already refuses commands. The TPM has not had this
            // one.
            _ when BootClock.TimeAsleep() - asleep > s_shortestSleep => new(
                TransmitStatus.NotSent, 0, $"the machine went to sleep while {path} had a command"),
            _ => new(TransmitStatus.Disconnected, 0, $"{path} gives no response: {error.Text()}"),
        };
    }

    /// <summary>
    /// Returns true when a driver has refused a command for what it is, most often for its size, and has not sent it.
    /// Drivers refuse at write(2), or at read(2) when they look at the command later. Their buffers may be smaller than
    /// the kernel's.
    /// </summary>
    private static bool IsRefusal(Errno error) => error == Errno.E2BIG || error == Errno.EINVAL;

    /// <summary>Receives a whole response, which may come in several pieces.</summary>
    /// <returns>The error; none, with a problem, when what came is not a response.</returns>
    private static Errno Receive(
        SafeFileHandle device, Span<byte> response, Deadline deadline, out int received, out string? problem)
    {
        received = 0;
        problem = null;
        while (true)
        {
            int count = 0;
            Errno error = WaitUntilReadable(device, deadline);
            error = error.IsError ? error : FileCalls.Read(device, response[received..], out count);
            if (error == Errno.EAGAIN || error == Errno.EINTR)
            {
                continue;
            }

            if (error.IsError)
            {
                return error;
            }

            received += count;
            if (TpmHeader.TryRead(response[..received], out TpmHeader header))
            {
                bool isResponse = header.Size >= TpmHeader.Length
                    && header.Size <= response.Length
                    && received <= header.Size;
                if (!isResponse || received == header.Size)
                {
                    problem = isResponse
                        ? null
                        : $"the response says that it is {header.Size} bytes long, but {received} bytes came";
                    return Errno.None;
                }
            }

            if (count == 0)
            {
                problem = $"the response ends after {received} bytes";
                return Errno.None;
            }
        }
    }

    /// <summary>Waits for a response. An error of the device shows at the read(2) that follows.</summary>
    private static Errno WaitUntilReadable(SafeFileHandle device, Deadline deadline)
    {
        while (true)
        {
            Errno error = Polling.Wait(device, deadline.SocketTimeout, out bool isReady);
            if (isReady || (error.IsError && error != Errno.EINTR))
            {
                return error;
            }

            if (deadline.Passed)
            {
                return Errno.ETIME;
            }
        }
    }
}
