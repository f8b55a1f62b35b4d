using TpmFs.Rm.Tests.Harness;
using TpmFs.Rm.Tests.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests;

/// <summary>TPMs that are not there at the start, that come and go, and that are no TPM 2.0.</summary>
public sealed class AwayTests
{
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();

    [Fact]
    public void A_TPM_that_comes_late_is_served_from_then_on()
    {
        using var tpm = new SimulatedTpm(new TpmParameters { Time = _time }) { IsReachable = false };
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), _time, _log);
        Assert.False(manager.TryPrepare(out string problem));
        Assert.Equal((problem, TpmFamily.Unknown, 4096), (manager.Problem, manager.Facts.Family, manager.Facts.MaxCommandSize));

        var client = new Client();
        Space space = manager.OpenSpace(new SpaceOwner(new SchedulingGroup("root", new SpaceLimits()), 0, 0), client);
        Assert.True(space.TrySubmit(Cmd.GetRandom(8)));
        Pass(manager, TimeSpan.FromSeconds(5));
        Assert.Equal((0, 0), (client.Responses, client.Failures));
        Pass(manager, TimeSpan.FromSeconds(8));
        Assert.Equal((0, 1), (client.Responses, client.Failures));
        Assert.Equal([$"lost: {problem}"], _log.Entries);

        tpm.IsReachable = true;
        Pass(manager, TimeSpan.FromSeconds(3));
        Assert.Equal(["found: Tpm20"], _log.Entries[1..]);
        Assert.Equal(("", TpmFamily.Tpm20, 4), (manager.Problem, manager.Facts.Family, manager.Facts.HighestLocality));
        Assert.NotNull(manager.Facts.Description);
        Assert.True(space.TrySubmit(Cmd.GetRandom(8)));
        Pass(manager, TimeSpan.FromSeconds(1));
        Assert.Equal(1, client.Responses);
    }

    [Fact]
    public void A_command_that_was_not_sent_is_sent_again_and_the_loss_is_told()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        rig.Tpm.Faults.Break(TransmitStatus.NotSent, executed: false);
        opener.Must(Cmd.Sign(key, "text"));
        Assert.Equal(["lost: As scripted.", "back: Unchanged"], rig.Log.Entries);
    }

    [Fact]
    public void A_TPM_that_comes_and_goes_for_ever_fails_the_command_when_its_time_is_over()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        for (int i = 0; i < 100_000; i++)
        {
            rig.Tpm.Faults.Break(TransmitStatus.NotSent, executed: false, command: 0x17B, then: () => rig.Time.Advance(TimeSpan.FromSeconds(1)));
        }

        opener.Send(Cmd.GetRandom(33));
        rig.Pass(TimeSpan.FromMinutes(3));
        Assert.Equal(SpaceFailure.TransportLost, opener.Failure);
    }

    [Fact]
    public void A_reset_that_comes_with_a_lost_link_is_told_once()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: false, then: rig.Tpm.Reset);
        opener.Send(Cmd.GetRandom(8));
        rig.Settle();
        Assert.Equal(["lost: As scripted.", "back: Reset"], rig.Log.Entries);
    }

    [Fact]
    public void The_way_to_the_TPM_may_take_less_than_the_TPM()
    {
        using var tpm = new SimulatedTpm(new TpmParameters { Time = _time, MaxCommandSize = 8192 }) { Features = new(false, 0, LargestCommand: 4096) };
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), _time, _log);
        Assert.True(manager.TryPrepare(out _));
        Assert.Equal(4096, manager.Facts.MaxCommandSize);
    }

    [Fact]
    public void A_TPM_1_2_is_told_apart_and_gets_raw_commands_alone()
    {
        using var tpm = new Tpm12();
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions { FlushAtStart = true }, _time, _log);
        Assert.True(manager.TryPrepare(out string problem), problem);
        Assert.Equal((TpmFamily.Tpm12, 3), (manager.Facts.Family, manager.Facts.HighestLocality));
        Assert.Null(manager.Facts.Description);

        var client = new Client();
        Assert.True(manager.TryOpenRaw(new SpaceOwner(new SchedulingGroup("root", new SpaceLimits()), 0, 0), client, out Space? raw));
        tpm.Received.Clear();
        byte[] getVersion = Convert.FromHexString("00C1000000120000006500000006" + "00000000");
        Assert.True(raw.TrySubmit(getVersion));
        Pass(manager, TimeSpan.FromSeconds(10));
        Assert.Equal([getVersion], tpm.Received);
        Assert.Equal(1, client.Responses);

        tpm.IsLost = true;
        Assert.True(raw.TrySubmit(getVersion));
        Pass(manager, TimeSpan.FromSeconds(3));
        Assert.Equal(1, client.Failures);
        tpm.IsLost = false;
        Pass(manager, TimeSpan.FromSeconds(3));
        Assert.True(raw.TrySubmit(getVersion));
        Pass(manager, TimeSpan.FromSeconds(1));
        Assert.Equal(2, client.Responses);
    }

    private void Pass(ResourceManager manager, TimeSpan time)
    {
        long start = _time.GetTimestamp();
        while (_time.GetElapsedTime(start) < time)
        {
            while (manager.RunOne())
            {
            }

            _time.Advance(TimeSpan.FromMilliseconds(10));
        }
    }

    private sealed class Client : ISpaceClient
    {
        public int Responses { get; private set; }

        public int Failures { get; private set; }

        public void Completed(ReadOnlySpan<byte> response) => Responses++;

        public void Denied(TpmCc command) => throw new InvalidOperationException("Nothing is denied here.");

        public void Failed(SpaceFailure failure) => Failures++;
    }

    /// <summary>Answers each command of TPM 1.2 with success, and each of TPM 2.0 as a TPM 1.2 does: TPM_BADTAG under its own tag.</summary>
    private sealed class Tpm12 : ITpmTransport
    {
        public List<byte[]> Received { get; } = [];

        public bool IsLost { get; set; }

        public TpmTransportFeatures Features => new(CanCancel: false, HighestLocality: 3);

        public bool TryConnect(TimeSpan timeout, out string problem)
        {
            problem = IsLost ? "lost" : "";
            return !IsLost;
        }

        public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
        {
            if (IsLost)
            {
                return new TransmitResult(TransmitStatus.Disconnected, 0, "lost");
            }

            Received.Add(command.ToArray());
            bool isOwn = command.Span[0] == 0;
            Convert.FromHexString(isOwn ? "00C40000000A00000000" : "00C40000000A0000001E").CopyTo(response);
            return new TransmitResult(TransmitStatus.Ok, 10);
        }

        public void Cancel()
        {
        }

        public void Dispose()
        {
        }
    }
}
