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
    /// <param name="sent">Called when the device has the whole command.</param>
    public static TransmitResult Run(
        SafeFileHandle device, string path, ReadOnlySpan<byte> command, Span<byte> response, TimeSpan timeout,
        Action? sent)
    {
        var deadline = Deadline.After(timeout);
        TimeSpan asleep = BootClock.TimeAsleep();
        Errno error = FileCalls.Write(device, command);
        if (error.IsError)
        {
            TransmitStatus status = IsRefusal(error) ? TransmitStatus.CommandRefused : TransmitStatus.NotSent;
            return new(status, 0, $"{path} does not take a command: {error.Text()}");
        }

        sent?.Invoke();
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

    /// <summary>Ends an exchange that another process had begun on this device.</summary>
    /// <param name="wasSent">False when it is not known whether the device has the command.</param>
    /// <param name="response">
    /// The bytes that the other process received, and zeros. One read(2) gives a whole response.
    /// </param>
    public static TransmitResult Finish(
        SafeFileHandle device, string path, bool wasSent, Span<byte> response, TimeSpan timeout)
    {
        if (TpmHeader.TryRead(response, out TpmHeader received) && received.Size >= TpmHeader.Length)
        {
            return received.Size <= response.Length
                ? new(TransmitStatus.Ok, (int)received.Size)
                : new(TransmitStatus.Disconnected, 0, $"{path}: the response is too long");
        }

        var deadline = Deadline.After(timeout);
        if (!wasSent)
        {
            // The kernel's poll(2) waits for a command that runs, and reports POLLOUT alone when there was none. That
            // of a file that behaves like a device may report it while a command runs.
            Errno polled = Polling.WaitForEither(device, deadline.SocketTimeout, out bool isReadable);
            if (!polled.IsError && !isReadable)
            {
                return DeviceNode.IsCharacterDevice(device)
                    ? new(TransmitStatus.NotSent, 0, $"{path} had no command")
                    : new(TransmitStatus.Disconnected, 0, $"{path} may have had the command, or not");
            }
        }

        Errno error = Receive(device, response, deadline, out int count, out string? problem);
        return error.IsError || problem is not null
            ? new(TransmitStatus.Disconnected, 0, $"{path} gives no response: {problem ?? error.Text()}")
            : new(TransmitStatus.Ok, count);
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
