using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Simulation;

/// <summary>
/// Tests what the simulation does beyond answering as a TPM does: slots to choose, faults, latencies, counts.
/// </summary>
public sealed class SimulatedTpmTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(1);

    [Fact]
    public void Faults_come_where_they_were_asked_for()
    {
        using SimulatedTpm tpm = Started();
        tpm.Faults.Warn(Rc.Retry, times: 2);
        tpm.Faults.Warn(Rc.Yielded, skip: 1, command: 0x181);
        Assert.Equal([Rc.Retry, Rc.Retry, 0u, 0u, Rc.Yielded, 0u],
            [Send(tpm, Cmd.ReadClock()), Send(tpm, Cmd.GetRandom(1)), Send(tpm, Cmd.GetRandom(1)),
                Send(tpm, Cmd.ReadClock()), Send(tpm, Cmd.ReadClock()), Send(tpm, Cmd.ReadClock())]);
        Assert.Equal(0, tpm.Faults.Outstanding);
    }

    [Fact]
    public void Random_warnings_are_the_same_for_the_same_seed()
    {
        static uint[] Codes()
        {
            using SimulatedTpm tpm = Started();
            tpm.Faults.WarnAtRandom(0.5, 7, Rc.Retry, Rc.Testing);
            return [.. Enumerable.Range(0, 50).Select(_ => Send(tpm, Cmd.GetRandom(1)))];
        }

        Assert.Equal(Codes(), Codes());
        Assert.Equal([0u, Rc.Testing, Rc.Retry], Codes().Distinct().Order());
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public void A_broken_exchange_leaves_what_the_command_did(bool executed, int objects)
    {
        using SimulatedTpm tpm = Started();
        tpm.Faults.Break(TransmitStatus.Disconnected, executed);
        Assert.Equal(TransmitStatus.Disconnected, Transmit(tpm, Cmd.HashSequenceStart(Hashes.Sha256)).Status);
        Assert.Equal(objects, tpm.TransientHandles.Count);
        Assert.Equal(TransmitStatus.Disconnected, Transmit(tpm, Cmd.GetRandom(1)).Status);
        Assert.True(tpm.TryConnect(s_long, out _));
        Assert.Equal(0u, Send(tpm, Cmd.GetRandom(1)));
    }

    [Fact]
    public void The_tpm_may_lose_power_with_the_exchange()
    {
        using SimulatedTpm tpm = Started();
        tpm.Faults.Break(TransmitStatus.Disconnected, executed: true, then: tpm.PowerCycle);
        Transmit(tpm, Cmd.GetRandom(1));
        tpm.TryConnect(s_long, out _);
        Assert.Equal(Rc.Initialize, Send(tpm, Cmd.GetRandom(1)));
    }

    [Theory]
    [InlineData(true, Rc.Canceled, 0)]
    [InlineData(false, Rc.Success, 1)]
    public void A_cancel_during_a_latency_takes_effect_or_does_not(bool takesEffect, uint code, int objects)
    {
        using SimulatedTpm tpm = Started();
        tpm.CancelTakesEffect = takesEffect;
        tpm.Latency = command => command == 0x186 ? TimeSpan.FromSeconds(3) : TimeSpan.Zero;
        tpm.Wait = _ => tpm.Cancel();
        Assert.Equal(code, Send(tpm, Cmd.HashSequenceStart(Hashes.Sha256)));
        Assert.Equal(objects, tpm.TransientHandles.Count);
        Assert.Equal(0u, Send(tpm, Cmd.GetRandom(1)));
    }

    [Fact]
    public void A_latency_past_the_timeout_ends_the_exchange()
    {
        using SimulatedTpm tpm = Started();
        TimeSpan waited = TimeSpan.Zero;
        tpm.Latency = _ => 2 * s_long;
        tpm.Wait = time => waited += time;
        Assert.Equal(TransmitStatus.TimedOut, Transmit(tpm, Cmd.GetRandom(1)).Status);
        Assert.Equal(s_long, waited);
    }

    [Fact]
    public void A_locality_that_cannot_be_set_is_refused_before_anything_is_sent()
    {
        using SimulatedTpm tpm = Started();
        tpm.Features = new TpmTransportFeatures(CanCancel: false, HighestLocality: 0);
        Assert.Equal(TransmitStatus.LocalityRefused, tpm.Transmit(Cmd.GetRandom(1), 1, new byte[64], s_long).Status);
        Assert.Equal(0, tpm.Log.Total);
    }

    [Fact]
    public void Commands_are_counted_and_kept()
    {
        using SimulatedTpm tpm = Started();
        tpm.Log.Capacity = 2;
        Send(tpm, Cmd.GetRandom(1));
        Send(tpm, Cmd.ReadClock());
        Send(tpm, Cmd.GetRandom(2));
        Assert.Equal((3L, 2L, 1L), (tpm.Log.Total, tpm.Log.Count(Cmd.GetRandomCode), tpm.Log.Count(0x181)));
        Assert.Equal([Cmd.ReadClock(), Cmd.GetRandom(2)], tpm.Log.Commands);
    }

    [Fact]
    public void A_gap_of_255_is_reached_after_251_saves_and_then_only_the_oldest_loads()
    {
        using SimulatedTpm tpm = Started(new TpmParameters { ContextGap = 255 });
        uint old = Ask(tpm, Cmd.StartAuthSession(SessionType.Policy)).Handle;
        byte[] oldContext = Ask(tpm, Cmd.ContextSave(old)).Body;
        uint busy = Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac)).Handle;
        int saves = 0;
        Answer saved;
        while ((saved = Ask(tpm, Cmd.ContextSave(busy))).IsSuccess)
        {
            saves++;
            Assert.True(Ask(tpm, Cmd.ContextLoad(saved.Body)).IsSuccess);
        }

        Assert.Equal(Rc.ContextGap, saved.Code);
        Assert.Equal(251, saves);
        Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac));
        Assert.Equal(Rc.ContextGap, Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac)).Code);
        Assert.True(Ask(tpm, Cmd.ContextLoad(oldContext)).IsSuccess);
        Assert.True(Ask(tpm, Cmd.FlushContext(old)).IsSuccess);
        Assert.True(Ask(tpm, Cmd.ContextSave(busy)).IsSuccess);
    }

    [Fact]
    public void Context_ids_do_not_wrap_around()
    {
        using SimulatedTpm tpm = Started();
        uint session = Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac)).Handle;
        tpm.ContextCounter = ulong.MaxValue;
        Assert.Equal(Rc.TooManyContexts, Ask(tpm, Cmd.ContextSave(session)).Code);
    }

    [Fact]
    public void Slots_and_sessions_are_as_many_as_were_asked_for()
    {
        using SimulatedTpm tpm =
            Started(new TpmParameters { ObjectSlots = 5, SessionSlots = 2, ActiveSessionsMax = 3 });
        var objects = Enumerable.Range(0, 6).Select(_ => Send(tpm, Cmd.HashSequenceStart(Hashes.Sha256))).ToList();
        Assert.Equal([0u, 0u, 0u, 0u, 0u, Rc.ObjectMemory], objects);
        uint first = Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac)).Handle;
        Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac));
        Assert.Equal(Rc.SessionMemory, Send(tpm, Cmd.StartAuthSession(SessionType.Hmac)));
        Ask(tpm, Cmd.ContextSave(first));
        Ask(tpm, Cmd.ContextSave(Ask(tpm, Cmd.StartAuthSession(SessionType.Hmac)).Handle));
        Assert.Equal(Rc.SessionHandles, Send(tpm, Cmd.StartAuthSession(SessionType.Hmac)));
        Assert.Equal((5, 3, 3), (tpm.PeakTransientObjects, tpm.PeakActiveSessions, tpm.ActiveSessions));
    }

    [Theory]
    [InlineData(true, Rc.ObjectMemory)]
    [InlineData(false, Rc.Success)]
    public void Create_and_persistent_objects_need_a_slot_where_they_were_asked_to(bool needSlot, uint code)
    {
        using SimulatedTpm tpm = Started(
            new TpmParameters { ObjectSlots = 1, CreateNeedsSlot = needSlot, PersistentObjectsNeedSlot = needSlot });
        uint parent = Ask(tpm, Cmd.CreatePrimary(Handles.Owner, Templates.Storage())).Handle;
        Assert.Equal(code, Send(tpm, Cmd.Create(parent, Templates.Signing())));
        Ask(tpm, Cmd.EvictControl(Handles.Owner, parent, 0x81000000));
        Assert.Equal(code, Send(tpm, Cmd.ReadPublic(0x81000000)));
    }

    [Fact]
    public void Two_simulations_with_the_same_past_have_the_same_keys()
    {
        static byte[] Signature()
        {
            using SimulatedTpm tpm = Started(new TpmParameters { Seed = (ulong)Environment.TickCount64 });
            Ask(tpm, Cmd.Clear());
            uint parent = Ask(tpm, Cmd.CreatePrimary(Handles.Owner, Templates.Storage())).Handle;
            return Ask(tpm, Cmd.Sign(Ask(tpm, Cmd.CreateLoaded(parent, Templates.Signing())).Handle, "text")).Body;
        }

        Assert.Equal(Signature(), Signature());
    }

    [Fact]
    public void A_vendor_command_is_listed_last_and_copies_an_object()
    {
        using SimulatedTpm tpm = Started();
        uint key = Ask(tpm, Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Handle;
        uint copy = Ask(tpm, Cmd.VendorCopy(key)).Handle;
        Assert.NotEqual(key, copy);
        Assert.Equal(Ask(tpm, Cmd.Sign(key, "x")).Body, Ask(tpm, Cmd.Sign(copy, "x")).Body);
        Assert.Equal("32000001", Convert.ToHexString(Ask(tpm, Cmd.GetCapability(2, 0x100, 256)).Bytes.AsSpan(^4)));
    }

    [Fact]
    public void A_scripted_tpm_takes_the_expected_commands_and_no_other()
    {
        byte[] yes = [0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0];
        using ScriptedTpm tpm = new ScriptedTpm().Expect(Cmd.ReadClock(), yes).Expect(Cmd.GetRandomCode, yes);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(tpm.AssertDone);
        Assert.Equal(10, Transmit(tpm, Cmd.ReadClock()).Length);
        Assert.Equal(10, Transmit(tpm, Cmd.GetRandom(77)).Length);
        tpm.AssertDone();
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Transmit(tpm, Cmd.ReadClock()));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(tpm.AssertDone);
    }

    private static SimulatedTpm Started(TpmParameters? parameters = null)
    {
        var tpm = new SimulatedTpm(parameters);
        tpm.Reset();
        Assert.True(tpm.TryConnect(s_long, out _));
        return tpm;
    }

    private static TransmitResult Transmit(ITpmTransport tpm, byte[] command) =>
        tpm.Transmit(command, 0, new byte[4096], s_long);

    private static uint Send(SimulatedTpm tpm, byte[] command) => Ask(tpm, command).Code;

    private static Answer Ask(SimulatedTpm tpm, byte[] command)
    {
        byte[] response = new byte[8192];
        TransmitResult result = tpm.Transmit(command, 0, response, s_long);
        Assert.Equal(TransmitStatus.Ok, result.Status);
        return new Answer(response[..result.Length]);
    }
}
