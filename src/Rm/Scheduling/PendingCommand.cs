using System.Buffers;
using System.Buffers.Binary;
using TpmFs.Rm.Channel;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Scheduling;

/// <summary>Says where a space's command is. A space without a command is idle.</summary>
internal enum CommandState
{
    Idle,
    Queued,
    Running,
    Parked,
}

/// <summary>
/// Holds the one command that a space may have under way, and how far it has come. Under the queue's lock.
/// </summary>
/// <param name="commands">The number of commands that the space has had under an earlier manager.</param>
internal sealed class PendingCommand(ManagedSpace space, long commands) : FairShare
{
    private byte[] _buffer = [];
    private int _length;

    public ManagedSpace Space { get; } = space;

    public CommandState State { get; set; }

    /// <summary>The share of the command's domain, once the scheduler has looked it up.</summary>
    public GroupShare? Share { get; set; }

    /// <summary>
    /// True when the opener's thread is to be lent for the command, so the manager's thread is not woken.
    /// </summary>
    public bool IsLent { get; set; }

    /// <summary>The locality at which the TPM gets the command.</summary>
    public byte Locality { get; private set; }

    /// <summary>True when the opener has asked for a cancellation.</summary>
    public bool IsCanceled { get; set; }

    /// <summary>True when the opener is gone, so the answer is dropped.</summary>
    public bool IsClosed { get; set; }

    /// <summary>Gets the number of commands that the space has had, which is this one's number.</summary>
    public long Count { get; private set; } = commands;

    /// <summary>Gets the time when it was submitted, by the manager's time provider.</summary>
    public long Submitted { get; private set; }

    /// <summary>
    /// Gets or sets the time when it was first taken to be run; null while it has only waited for its turn.
    /// </summary>
    public long? Begun { get; set; }

    /// <summary>Gets or sets the time when it first had to wait for room; null when it has not waited.</summary>
    public long? WaitingSince { get; set; }

    /// <summary>Gets the number of times that the TPM has put the command off.</summary>
    public int PutOffs { get; set; }

    /// <summary>Gets the number of times that the TPM has put off a raw opener's command itself.</summary>
    public int RawPutOffs { get; set; }

    /// <summary>The latest time at which a parked command is to be tried again.</summary>
    public long Due { get; set; }

    public ReadOnlySpan<byte> Bytes => _buffer.AsSpan(0, _length);

    public TpmCc Code => (TpmCc)BinaryPrimitives.ReadUInt32BigEndian(Bytes[6..]);

    /// <summary>The command, for the channel.</summary>
    public ClientCommand AsSent => new()
    {
        Space = Space.Id,
        Number = Count,
        Written = Bytes,
        Locality = Locality,
        Limit = TimeLimits.Of(Code),
    };

    /// <summary>Takes a command of the size that its header says, and leaves any bytes after it.</summary>
    public void Take(ReadOnlySpan<byte> command, long now)
    {
        _length = (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(command[2..]), (uint)command.Length);
        _buffer = ArrayPool<byte>.Shared.Rent(_length);
        command[.._length].CopyTo(_buffer);
        Locality = Space.Locality;
        Submitted = now;
        Begun = null;
        WaitingSince = null;
        PutOffs = 0;
        RawPutOffs = 0;
        IsCanceled = false;
        Count++;
    }

    /// <summary>Counts an answer for the opener and its domain.</summary>
    /// <param name="code">The response's code; null when there was no response.</param>
    public void Account(TpmRc? code, bool isDenied, TimeSpan queued)
    {
        Space.Usage.AddAnswer(code, isDenied, queued);
        Space.Owner.Group.Usage.AddAnswer(code, isDenied, queued);
    }

    /// <summary>Ends the command: wipes its bytes, which may hold secrets, and gives the buffer back.</summary>
    public void Drop()
    {
        State = CommandState.Idle;
        byte[] buffer = _buffer;
        _buffer = [];
        buffer.AsSpan(0, _length).Clear();
        _length = 0;
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
