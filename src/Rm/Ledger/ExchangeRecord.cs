using System.Buffers.Binary;
using System.Runtime.InteropServices;
using TpmFs.Mirror;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds one command and its response, which is received straight into it. It is written in place, store by store, so
/// that the next manager knows how far the exchange had come. Used by the manager's thread alone.
/// </summary>
/// <remarks>
/// The phase goes last when an exchange begins or comes further, and first when it ends. It is a volatile write, so
/// that the compiler keeps that order; a process that is killed has done its stores in the program's order.
/// </remarks>
/// <param name="area">The record's bytes, <see cref="Length"/> of them.</param>
internal sealed class ExchangeRecord(RecordArea area)
{
    public const int Length = HeadLength + (2 * BufferLength);

    private const int BufferLength = 64 * 1024;
    private const int HeadLength = 64;
    private const int CommandLengthOffset = 4;
    private const int ResponseLengthOffset = 8;
    private const int SpaceOffset = 16;
    private const int NumberOffset = 24;
    private const int EndOffset = 32;

    public ExchangePhase Phase
    {
        get => (ExchangePhase)Volatile.Read(ref At<int>(0));
        private set
        {
            Volatile.Write(ref At<int>(0), (int)value);
            area.Wrote();
        }
    }

    /// <summary>
    /// True while the TPM may be at work on the command, or may have answered it, and the answer is not here.
    /// </summary>
    public bool IsUnanswered => Phase is ExchangePhase.Sending or ExchangePhase.Sent;

    /// <summary>The space whose command it is; the default for the manager's own commands.</summary>
    public SpaceId Space => new(At<long>(SpaceOffset));

    /// <summary>Gets the command's number in its space, counted from 1.</summary>
    public long Number => At<long>(NumberOffset);

    /// <summary>Gets the end of the command's time limit, in units of 100 ns since the machine's boot.</summary>
    public long End => At<long>(EndOffset);

    /// <summary>The command as its client wrote it.</summary>
    public ReadOnlySpan<byte> Command => area.Span.Slice(HeadLength, Limit(At<int>(CommandLengthOffset)));

    /// <summary>The response, once it is received.</summary>
    public ReadOnlySpan<byte> Response => Buffer.Span[..Limit(At<int>(ResponseLengthOffset))];

    /// <summary>Gets the memory into which the response is received.</summary>
    public Memory<byte> Buffer => area.Memory.Slice(HeadLength + BufferLength, BufferLength);

    /// <summary>Begins an exchange.</summary>
    /// <param name="end">The end of the command's time limit, in units of 100 ns since the machine's boot.</param>
    public void Begin(SpaceId space, long number, ReadOnlySpan<byte> command, long end)
    {
        Finish();
        command.CopyTo(area.Span[HeadLength..]);
        Buffer.Span[..TpmHeader.Length].Clear(); // what is there after a death is of this response
        At<int>(CommandLengthOffset) = command.Length;
        At<long>(SpaceOffset) = space.Value;
        At<long>(NumberOffset) = number;
        At<long>(EndOffset) = end;
        Phase = ExchangePhase.Sending;
    }

    /// <summary>Records that the TPM has the whole command.</summary>
    public void Sent() => Phase = ExchangePhase.Sent;

    /// <summary>Records that the whole response is there.</summary>
    public void Received(int length)
    {
        At<int>(ResponseLengthOffset) = length;
        Phase = ExchangePhase.Received;
    }

    /// <summary>Records that the exchange's effects are in the ledger, or that it had none.</summary>
    public void Finish()
    {
        if (Phase != ExchangePhase.None)
        {
            Phase = ExchangePhase.None;
        }
    }

    /// <summary>Zeroes the command and the response, which may hold secrets.</summary>
    public void Wipe()
    {
        Finish();
        int written = Limit(At<int>(CommandLengthOffset));
        if (written == 0)
        {
            return;
        }

        // Of an exchange that failed, a response of any length may be there.
        int received = Limit(At<int>(ResponseLengthOffset));
        area.Span.Slice(HeadLength, written).Clear();
        Buffer.Span[..(received == 0 ? BufferLength : received)].Clear();
        At<int>(ResponseLengthOffset) = 0;
        Volatile.Write(ref At<int>(CommandLengthOffset), 0);
    }

    private static int Limit(int length) => Math.Clamp(length, 0, BufferLength);

    private ref T At<T>(int offset)
        where T : struct => ref MemoryMarshal.AsRef<T>(area.Span[offset..]);
}
