using TpmFs.Rm.Manager;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>One opener: sends a command, and has its response.</summary>
internal sealed class Opener : ISpaceClient
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(10);
    private readonly Rig _rig;
    private Space _space;
    private byte[]? _underWay;
    private long _commands;

    public Opener(Rig rig, SpaceOwner owner, bool isRaw = false)
    {
        _rig = rig;
        Owner = owner;
        IsRaw = isRaw;
        Space? raw = null;
        Assert.True(!isRaw || rig.Manager.TryOpenRaw(owner, this, out raw), "There is a raw opener already.");
        _space = raw ?? rig.Manager.OpenSpace(owner, this);
    }

    public SpaceOwner Owner { get; }

    /// <summary>The response to the last command, once it is there.</summary>
    public byte[]? Response { get; private set; }

    public SpaceFailure? Failure { get; private set; }

    public bool IsDone => Response is not null || Failure is not null;

    /// <summary>No command is under way, and the last one's response was taken.</summary>
    public bool IsIdle { get; private set; } = true;

    /// <summary>Sends a command without waiting.</summary>
    public void Send(byte[] command)
    {
        Response = null;
        Failure = null;
        IsIdle = false;
        Submit(command, lends: false);
    }

    /// <summary>Sends a command, and lends the test's thread for it.</summary>
    public void SendLending(byte[] command)
    {
        Forget();
        IsIdle = false;
        Submit(command, lends: true);
        _space.Lend();
    }

    /// <summary>Sends a command, and says that a thread will be lent for it.</summary>
    public void SendToLend(byte[] command)
    {
        Forget();
        IsIdle = false;
        Submit(command, lends: true);
    }

    /// <summary>Lends the test's thread.</summary>
    public LendResult Lend() => _space.Lend();

    /// <summary>The response was taken.</summary>
    public void Forget()
    {
        Response = null;
        Failure = null;
        IsIdle = true;
    }

    /// <summary>Sends a command and runs the manager, time included, until the response is there.</summary>
    public Answer Do(byte[] command)
    {
        Send(command);
        return Await();
    }

    /// <summary>As <see cref="Do"/>, and the command must succeed.</summary>
    public Answer Must(byte[] command)
    {
        Answer response = Do(command);
        Assert.True(response.IsSuccess, $"0x{CommandLog.CodeOf(command):X}: 0x{response.Code:X}");
        return response;
    }

    public Answer Await()
    {
        long start = _rig.Time.GetTimestamp();
        _rig.Run();
        while (!IsDone)
        {
            Assert.True(_rig.Time.GetElapsedTime(start) < s_longest, "No response.");
            TimeSpan due = _rig.Manager.UntilDue() ?? TimeSpan.FromSeconds(1);
            _rig.Time.Advance(due > TimeSpan.Zero ? due : TimeSpan.FromMilliseconds(1));
            _rig.Run();
        }

        Assert.True(Response is not null, $"The command failed: {Failure}");
        return new Answer(Response);
    }

    /// <summary>Makes that many different primary signing keys.</summary>
    public uint[] NewKeys(int count) =>
        [.. Enumerable.Range(0, count)
            .Select(i => Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), $"{Owner.Uid}/{i}")).Handle)];

    public uint NewSession(SessionType type) => Must(Cmd.StartAuthSession(type)).Handle;

    public void Cancel() => _space.Cancel();

    public void Close()
    {
        IsClosed = true;
        _space.Close();
    }

    public bool IsClosed { get; private set; }

    /// <summary>Goes on with the same space of another manager, and hands in again what has no answer.</summary>
    public void GoOnWith(ResourceManager manager)
    {
        long over = _underWay is null ? _commands : _commands - 1;
        _space = manager.ReopenSpace(_space.Id, _rig.Owner(Owner), this, IsRaw, over);
        if (_underWay is { } again)
        {
            Assert.True(_space.TrySubmit(again), "A command is under way.");
        }
    }

    public bool IsRaw { get; }

    public void Completed(ReadOnlySpan<byte> response)
    {
        if (!_rig.IsDead)
        {
            Response = response.ToArray();
            _underWay = null;
        }
    }

    /// <summary>The commands that policy refused.</summary>
    public List<TpmCc> DeniedCommands { get; } = [];

    public void Denied(TpmCc command) => DeniedCommands.Add(command);

    public void Failed(SpaceFailure failure)
    {
        if (!_rig.IsDead)
        {
            Failure = failure;
            _underWay = null;
        }
    }

    private void Submit(byte[] command, bool lends)
    {
        _underWay = command;
        _commands++;
        Assert.True(_space.TrySubmit(command, lends), "A command is under way.");
    }
}
