using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using TpmFs.Clients;

namespace TpmFs.Doors.DBus;

/// <summary>
/// Cuts a stream of bytes into commands by the sizes in their headers. Has a buffer only while it has bytes. One thread
/// at a time.
/// </summary>
internal sealed class CommandStream
{
    /// <summary>The most bytes that a command may have, as in tpm2-abrmd.</summary>
    public const int MaxCommand = 8192;

    private const int SizeOffset = 2;
    private const int SizeEnd = SizeOffset + sizeof(uint);

    private byte[] _buffer = []; // MaxCommand bytes or more while it is rented
    private int _length; // of the bytes in the buffer

    /// <summary>True when it has bytes that are not dropped yet.</summary>
    public bool HasBytes => _length > 0;

    /// <summary>True when the last receive took all that was in the socket.</summary>
    public bool IsDrained { get; private set; } = true;

    /// <summary>Receives until there is a whole command, or nothing more to receive.</summary>
    /// <param name="socket">The socket to receive from, without waiting.</param>
    /// <param name="command">The oldest command; valid until <see cref="DropCommand"/>, which is to be called.</param>
    public StreamState Receive(MeteredSocket socket, out ReadOnlySpan<byte> command)
    {
        command = default;
        IsDrained = false;
        while (true)
        {
            if (_length >= SizeEnd && Size is < CommandFrame.HeaderSize or > MaxCommand)
            {
                return StreamState.Broken;
            }

            if (_length >= SizeEnd && Size <= _length)
            {
                command = _buffer.AsSpan(0, (int)Size);
                return StreamState.Command;
            }

            if (_buffer.Length == 0)
            {
                _buffer = ArrayPool<byte>.Shared.Rent(MaxCommand);
            }

            int room = MaxCommand - _length;
            Errno error = socket.ReceiveBytes(_buffer.AsSpan(_length, room), out int count);
            IsDrained = count < room && error != Errno.EINTR;
            if (error != Errno.EINTR && count == 0)
            {
                DropFirst(0);
                return error == Errno.EAGAIN ? StreamState.Waiting : StreamState.Ended;
            }

            _length += count;
        }
    }

    /// <summary>Wipes the oldest command, which <see cref="Receive"/> gave.</summary>
    public void DropCommand() => DropFirst((int)Size);

    /// <summary>Wipes all bytes.</summary>
    public void Clear() => DropFirst(_length);

    /// <summary>Gets the size that the oldest command says it has.</summary>
    private uint Size => BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(SizeOffset));

    private void DropFirst(int count)
    {
        int left = _length - count;
        _buffer.AsSpan(count, left).CopyTo(_buffer);
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(left, count));
        _length = left;
        if (left == 0 && _buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }
}

/// <summary>The state of a stream.</summary>
internal enum StreamState
{
    /// <summary>A whole command.</summary>
    Command,

    /// <summary>A part of a command, or nothing. More may come.</summary>
    Waiting,

    /// <summary>The size of the next command is invalid, so the bytes after it cannot be understood.</summary>
    Broken,

    /// <summary>The stream has ended, or goes on with what is not bytes alone.</summary>
    Ended,
}
