using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Channel;

/// <summary>
/// Measures how long the exchange lasts that is under way. Written by the manager's thread alone; <see cref="Running"/>
/// is for any thread. An exchange allocates nothing.
/// </summary>
internal sealed class ExchangeClock(TimeProvider time)
{
    /// <summary>Odd while an exchange is under way, and another number in each.</summary>
    private long _turns;

    private long _start;
    private uint _code;

    /// <summary>Gets the command of the exchange that is under way; null between exchanges.</summary>
    public UnansweredCommand? Running
    {
        get
        {
            long turn = Volatile.Read(ref _turns);
            (uint code, long start) = (Volatile.Read(ref _code), Volatile.Read(ref _start));
            return turn % 2 == 1 && Volatile.Read(ref _turns) == turn
                ? new UnansweredCommand(code == 0 ? null : (TpmCc)code, time.GetElapsedTime(start)) : null;
        }
    }

    /// <summary>Starts the clock as the exchange begins.</summary>
    /// <param name="command">The command; empty when an earlier manager sent it.</param>
    public void Begin(ReadOnlySpan<byte> command, long start)
    {
        Volatile.Write(ref _code, TpmHeader.TryRead(command, out TpmHeader header) ? header.Code : 0);
        Volatile.Write(ref _start, start);
        Volatile.Write(ref _turns, (_turns + 1) | 1);
    }

    /// <summary>Stops the clock as the exchange ends.</summary>
    public void End() => Volatile.Write(ref _turns, _turns + (_turns & 1));
}
