using TpmFs.Clients;

namespace TpmFs.Doors.DBus;

/// <summary>The answer that a connection sends, as far as the client has not taken it. One thread at a time.</summary>
internal struct UnsentAnswer
{
    private Portion _answer;
    private int _sent; // bytes

    /// <summary>True when bytes are left.</summary>
    public readonly bool Any => _sent < _answer.Bytes.Length;

    public static UnsentAnswer Of(Portion answer) => new() { _answer = answer };

    /// <summary>Sends as much as the socket takes. Wipes the answer when all of it is sent.</summary>
    /// <returns>EAGAIN when the socket is full; another error when the client is gone.</returns>
    public Errno Send(MeteredSocket socket)
    {
        while (Any)
        {
            Errno error = socket.Send(_answer.Bytes.Span[_sent..], out int count);
            if (error.IsError && error != Errno.EINTR)
            {
                return error;
            }

            _sent += count;
        }

        Drop();
        return Errno.None;
    }

    /// <summary>Wipes the answer.</summary>
    public void Drop()
    {
        _answer.Sent();
        this = default;
    }
}
