using System.Runtime.InteropServices;
using TpmFs.Clients;

namespace TpmFs.Doors.DBus;

/// <summary>
/// The daemon's end of a connection. Measures how long the kernel takes to wake the client, which it does within each
/// call that sends, or that makes room for the client to send. One thread at a time.
/// </summary>
/// <param name="handle">The socket, which never waits.</param>
internal sealed class MeteredSocket(SafeHandle handle)
{
    private WakeupCost _sends;
    private WakeupCost _receives; // apart, so that cheap calls of one kind do not excuse those of the other

    public SafeHandle Handle => handle;

    /// <summary>True once waking the client has taken too much of the daemon's time.</summary>
    public bool IsTooCostly { get; private set; }

    /// <inheritdoc cref="SocketCalls.Send"/>
    public Errno Send(ReadOnlySpan<byte> data, out int count)
    {
        WakingCall call = _sends.Begin();
        Errno error = SocketCalls.Send(handle, data, out count);
        if (count > 0)
        {
            IsTooCostly |= _sends.End(call); // a call that moves nothing wakes nobody, and excuses nothing
        }

        return error;
    }

    /// <inheritdoc cref="SocketCalls.ReceiveBytes"/>
    public Errno ReceiveBytes(Span<byte> buffer, out int count)
    {
        WakingCall call = _receives.Begin();
        Errno error = SocketCalls.ReceiveBytes(handle, buffer, out count);
        if (count > 0)
        {
            IsTooCostly |= _receives.End(call);
        }

        return error;
    }
}
