using System.Diagnostics;
using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Upkeep;

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
        Assert.Equal(
            (problem, TpmFamily.Unknown, 4096), (manager.Problem, manager.Facts.Family, manager.Facts.MaxCommandSize));

        var client = new Client();
        Space space = manager.OpenSpace(Owners.New(), client);
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
            rig.Tpm.Faults.Break(
                TransmitStatus.NotSent, executed: false, command: 0x17B,
                then: () => rig.Time.Advance(TimeSpan.FromSeconds(1)));
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
        using var tpm = new SimulatedTpm(
            new TpmParameters { Time = _time, MaxCommandSize = 8192 })
        {
            Features = new(
                false, 0, LargestCommand: 4096)
        };
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), _time, _log);
        Assert.True(manager.TryPrepare(out _));
        Assert.Equal(4096, manager.Facts.MaxCommandSize);
    }

    [Fact]
    public void A_command_that_is_larger_than_the_TPM_takes_is_answered_without_it()
    {
        using var rig = new Rig(new TpmParameters { MaxCommandSize = 2048 });
        Opener opener = rig.Open();
        Assert.Equal(Rc.CommandSize, opener.Do(Cmd.Build(Cmd.GetRandomCode, [], new byte[2048])).Code);
        Assert.Equal(0, rig.Tpm.Log.Total);
        opener.Must(Cmd.GetRandom(33));
    }

    [Fact]
    public void A_command_that_the_way_to_the_TPM_refuses_is_the_client_s_matter()
    {
        using var rig = new Rig();
        rig.Tpm.Faults.Break(TransmitStatus.CommandRefused, executed: false);
        Opener opener = rig.Open();
        Assert.Equal(Rc.CommandSize, opener.Do(Cmd.GetRandom(33)).Code);
        opener.Must(Cmd.GetRandom(33));
        Assert.Empty(rig.Log.Entries);
    }

    [Fact]
    public void A_TPM_that_does_not_answer_is_given_up_within_the_time_for_a_start()
    {
        using var tpm = new Mute(_time, TransmitStatus.TimedOut, longest: TimeSpan.FromSeconds(6));
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), _time, _log);
        long start = _time.GetTimestamp();
        Assert.False(manager.TryPrepare(out _));
        Assert.InRange(_time.GetElapsedTime(start).TotalSeconds, 15, 26);
    }

    [Fact]
    public void A_TPM_that_is_lost_at_each_command_is_not_tried_without_a_pause()
    {
        using var tpm = new Mute(_time, TransmitStatus.Disconnected, longest: TimeSpan.FromSeconds(6));
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), _time, _log);
        long start = Stopwatch.GetTimestamp();
        Assert.False(manager.TryPrepare(out _));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(20 + 40 + 80), "no pause");
    }

    [Fact]
    public void A_TPM_that_falls_silent_is_asked_for_no_longer_than_commands_wait_for_it()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        rig.Tpm.Faults.Break(TransmitStatus.NotSent, executed: false);
        rig.Tpm.Faults.Break(
            TransmitStatus.TimedOut, executed: false, command: Cmd.ReadClockCode,
            then: () => Assert.True(rig.Tpm.LastLimit < TimeSpan.FromSeconds(10)));
        opener.Must(Cmd.GetRandom(33));
        Assert.True(rig.Tpm.LastLimit > TimeSpan.FromSeconds(100));
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
        Assert.True(
            manager.TryOpenRaw(Owners.New(), client, out Space? raw));
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

    /// <summary>Can be connected to, and answers nothing.</summary>
    private sealed class Mute(ManualTime time, TransmitStatus status, TimeSpan longest) : ITpmTransport
    {
        public TpmTransportFeatures Features => default;

        public bool TryConnect(TimeSpan timeout, out string problem)
        {
            problem = "";
            return true;
        }

        public TransmitResult Transmit(
            ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
        {
            Assert.True(timeout < longest, $"{timeout}");
            time.Advance(timeout);
            return new TransmitResult(status, 0, "mute");
        }

        public void Cancel()
        {
        }

        public void Dispose()
        {
        }
    }

    /// <summary>
    /// Answers each command of TPM 1.2 with success, and each of TPM 2.0 as a TPM 1.2 does: TPM_BADTAG under its own
    /// tag.
    /// </summary>
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

        public TransmitResult Transmit(
            ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
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
