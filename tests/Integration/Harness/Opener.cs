namespace TpmFs.Integration.Tests.Harness;

/// <summary>One descriptor of an agent's.</summary>
internal sealed class Opener(Agent agent, int descriptor) : ITpmChannel
{
    /// <summary>Room for any response.</summary>
    public const int Large = 8192;

    public Agent Agent { get; } = agent;

    public int Descriptor { get; } = descriptor;

    public Task<Reply> Begin(string operation, params object[] arguments) =>
        Agent.Begin(operation, [Descriptor, .. arguments]);

    public Reply Call(string operation, params object[] arguments) => Agent.Call(operation, [Descriptor, .. arguments]);

    public Reply Write(byte[] data) => Call("write", Convert.ToHexString(data));

    public Reply Read(int size = Large) => Call("read", size);

    public Task<Reply> BeginRead(int size = Large) => Begin("read", size);

    /// <summary>
    /// Returns the events that poll(2) reports, in the kernel's numbers; 0 when <paramref name="timeout"/> has passed.
    /// </summary>
    public long Poll(int timeout = 0, int events = Events.All) => Call("poll", events, timeout).Value;

    /// <summary>Writes a command, which must be taken whole.</summary>
    public void Submit(byte[] command)
    {
        Reply written = Write(command);
        Assert.Equal((command.Length, null), (written.Value, written.Errno));
    }

    public byte[] Transact(byte[] command)
    {
        Submit(command);
        Reply response = Read();
        Assert.Null(response.Errno);
        Assert.InRange(response.Data.Length, 10, Large);
        return response.Data;
    }

    public void Close() => Assert.Null(Call("close").Errno);
}

/// <summary>POLL* of asm-generic/poll.h; EPOLL* have the same numbers.</summary>
internal static class Events
{
    public const int In = 0x01;
    public const int Out = 0x04;
    public const int Error = 0x08;
    public const int HangUp = 0x10;
    public const int ReadNormal = 0x40;
    public const int WriteNormal = 0x100;
    public const int All = In | Out | ReadNormal | WriteNormal;
    public const int Readable = In | ReadNormal;
    public const int Writable = Out | WriteNormal;
    public const uint EdgeTriggered = 1u << 31;
}
