using TpmFs.Rm.Tests.Harness;
using TpmFs.Rm.Tests.Sessions;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Commands;

/// <summary>
/// The one raw opener, beside managed ones: it has the TPM to itself, and what it does to the others is followed.
/// </summary>
public sealed class RawTests
{
    private const uint Layer = 0x000B0000;

    [Fact]
    public void A_raw_opener_finds_nothing_of_the_manager_s_in_the_tpm_and_managed_ones_go_on()
    {
        using var rig = new Rig();
        Opener managed = rig.Open();
        uint[] keys = managed.NewKeys(3);
        uint session = managed.NewSession(SessionType.Policy);
        using var raw = new RawOpener(rig);
        Assert.Empty(raw.Handles(0x80000000));
        Assert.Empty(raw.Handles(0x02000000));
        uint theirs = raw.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "raw")).Handle;
        Array.ForEach(keys, key => managed.Must(Cmd.Sign(key, "text")));
        managed.Must(Cmd.PolicyGetDigest(session));
        Assert.Equal([theirs], raw.Handles(0x80000000));
        Assert.True(raw.Do(Cmd.Sign(theirs, "text")).IsSuccess);
    }

    [Fact]
    public void Only_one_raw_opener_is_let_in_until_it_closes()
    {
        using var rig = new Rig();
        var first = new RawOpener(rig);
        Assert.False(rig.Manager.TryOpenRaw(RawOpener.Owner(rig), new RawClient(), out _));
        first.Dispose();
        new RawOpener(rig).Dispose();
    }

    [Fact]
    public void An_object_that_a_raw_opener_clears_is_gone_for_managed_openers()
    {
        using var rig = new Rig();
        Opener managed = rig.Open();
        uint[] keys = [.. new[] { Handles.Owner, Handles.Platform }.Select(
            hierarchy => managed.Must(Cmd.CreatePrimary(hierarchy, Templates.Signing())).Handle)];
        using var raw = new RawOpener(rig);
        Assert.True(raw.Do(Cmd.Clear()).IsSuccess);
        Assert.Equal(Rc.ReferenceH0, managed.Do(Cmd.Sign(keys[0], "text")).Code);
        managed.Must(Cmd.Sign(keys[1], "text"));
    }

    [Fact]
    public void A_command_that_a_raw_opener_has_audited_is_not_answered_without_the_tpm()
    {
        using var rig = new Rig();
        Opener managed = rig.Open();
        uint key = managed.NewKeys(1)[0];
        managed.Must(Cmd.ReadPublic(key));
        using var raw = new RawOpener(rig);
        Assert.True(raw.Do(Cmd.SetCommandCodeAuditStatus(0x173)).IsSuccess);
        rig.Settle();
        rig.Tpm.Log.Clear();
        managed.Must(Cmd.ReadPublic(key));
        Assert.Equal(1, rig.Tpm.Log.Count(0x173));
    }

    [Theory]
    [InlineData(Cmd.ContextSaveCode)]
    [InlineData(Cmd.FlushContextCode)]
    public void An_object_that_the_tpm_refuses_to_save_does_not_keep_the_others_in_it(uint refused)
    {
        using var rig = new Rig();
        rig.Open().NewKeys(3);
        rig.Open().NewSession(SessionType.Policy);
        rig.Tpm.Faults.Warn(Rc.Value, command: refused);
        using var raw = new RawOpener(rig);
        Assert.True(raw.Do(Cmd.GetRandom(8)).IsSuccess);
        Assert.Empty(rig.Tpm.LoadedSessions);
        // what is not flushed stays
        Assert.True(rig.Tpm.TransientHandles.Count <= (refused == Cmd.FlushContextCode ? 1 : 0));
    }

    [Fact]
    public void Nothing_raw_reaches_a_tpm_that_something_cannot_leave()
    {
        using var rig = new Rig(new TpmParameters { ContextGap = SessionGapTests.Gap });
        Answer theirs = new(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Policy)));
        Assert.True(new Answer(rig.Tpm.Direct(Cmd.ContextSave(theirs.Handle))).IsSuccess);
        Opener managed = rig.Open();
        uint session = managed.NewSession(SessionType.Policy);
        SessionGapTests.OpenGap(rig);
        using var raw = new RawOpener(rig);
        Assert.Equal(Layer | Rc.ContextGap, raw.Do(Cmd.GetRandom(8)).Code);
        Assert.Equal(0, rig.Tpm.Log.Count(Cmd.GetRandomCode));
        rig.Tpm.Direct(Cmd.FlushContext(theirs.Handle));
        Assert.True(raw.Do(Cmd.GetRandom(8)).IsSuccess);
        managed.Must(Cmd.PolicyGetDigest(session));
    }

    /// <summary>The TPM's own TPM_RC_RETRY reached clients of raw0, which those of /dev/tpm0 never see.</summary>
    [Theory]
    [InlineData(Rc.Retry)]
    [InlineData(Rc.Testing)]
    public void A_raw_command_that_the_tpm_puts_off_is_sent_again_after_the_pauses_of_Linux(uint warning)
    {
        using var rig = new Rig();
        using var raw = new RawOpener(rig);
        rig.Tpm.Faults.Warn(warning, times: 7, command: Cmd.GetRandomCode);
        long start = rig.Time.GetTimestamp();
        Assert.True(raw.Do(Cmd.GetRandom(40)).IsSuccess);
        Assert.Equal(8, rig.Tpm.Log.Count(Cmd.GetRandomCode));
        Assert.InRange(rig.Time.GetElapsedTime(start).TotalMilliseconds, 2540, 2600); // 20 + 40 + … + 1280
    }

    [Fact]
    public void A_raw_command_that_the_tpm_keeps_putting_off_has_its_own_answer_in_the_end()
    {
        using var rig = new Rig();
        using var raw = new RawOpener(rig);
        rig.Tpm.Faults.Warn(Rc.Retry, times: 8, command: Cmd.GetRandomCode);
        Assert.Equal(Rc.Retry, raw.Do(Cmd.GetRandom(40)).Code);
        Assert.Equal(8, rig.Tpm.Log.Count(Cmd.GetRandomCode));
        Assert.True(raw.Do(Cmd.GetRandom(40)).IsSuccess); // the next one has all attempts again
    }

    [Theory]
    [InlineData(Cmd.SelfTestCode, Rc.Testing)]
    [InlineData(Cmd.GetRandomCode, Rc.Yielded)]
    [InlineData(Cmd.GetRandomCode, Rc.Canceled)]
    public void A_raw_opener_has_a_warning_at_once_that_Linux_passes_on(uint command, uint warning)
    {
        using var rig = new Rig();
        using var raw = new RawOpener(rig);
        rig.Tpm.Faults.Warn(warning, command: command);
        Assert.Equal(warning, raw.Do(command == Cmd.SelfTestCode ? Cmd.SelfTest() : Cmd.GetRandom(40)).Code);
        Assert.Equal(1, rig.Tpm.Log.Count(command));
    }

    [Fact]
    public void Managed_commands_go_on_while_a_raw_one_waits_to_be_sent_again()
    {
        using var rig = new Rig();
        Opener managed = rig.Open();
        uint[] keys = managed.NewKeys(3);
        using var raw = new RawOpener(rig);
        rig.Tpm.Faults.Warn(Rc.Retry, times: 7, command: Cmd.GetRandomCode);
        raw.Send(Cmd.GetRandom(40));
        rig.Run();
        long start = rig.Time.GetTimestamp();
        Array.ForEach(keys, key => managed.Must(Cmd.Sign(key, "text")));
        Assert.True(rig.Time.GetElapsedTime(start) < TimeSpan.FromMilliseconds(20));
        Assert.Null(raw.Response);
        Assert.True(raw.Await().IsSuccess);
        Assert.Empty(raw.Handles(0x80000000));
    }

    [Fact]
    public void A_raw_command_that_waits_to_be_sent_again_is_cancelled_at_once()
    {
        using var rig = new Rig();
        using var raw = new RawOpener(rig);
        rig.Tpm.Faults.Warn(Rc.Retry, times: 3, command: Cmd.GetRandomCode);
        raw.Send(Cmd.GetRandom(40));
        rig.Run();
        raw.Cancel();
        Assert.Equal(Rc.Canceled, new Answer(raw.Response!).Code);
        rig.Settle();
        Assert.Equal(1, rig.Tpm.Log.Count(Cmd.GetRandomCode));
    }

    private sealed class RawClient : ISpaceClient
    {
        public byte[]? Response { get; set; }

        public void Completed(ReadOnlySpan<byte> response) => Response = response.ToArray();

        public void Failed(SpaceFailure failure) => throw new InvalidOperationException($"{failure}");

        public void Denied(TpmCc command) => throw new InvalidOperationException($"{command}");
    }

    private sealed class RawOpener : IDisposable
    {
        private readonly Rig _rig;
        private readonly RawClient _client = new();
        private readonly Space _space;

        public RawOpener(Rig rig)
        {
            _rig = rig;
            Assert.True(rig.Manager.TryOpenRaw(Owner(rig), _client, out Space? space));
            _space = space;
        }

        public static SpaceOwner Owner(Rig rig) => new(rig.Group("root"), 0, 0);

        public byte[]? Response => _client.Response;

        public Answer Do(byte[] command)
        {
            Send(command);
            return Await();
        }

        public void Send(byte[] command)
        {
            _client.Response = null;
            Assert.True(_space.TrySubmit(command));
        }

        public Answer Await()
        {
            _rig.Run();
            while (Response is null)
            {
                _rig.Time.Advance(_rig.Manager.UntilDue() ?? throw new InvalidOperationException("No response."));
                _rig.Run();
            }

            return new Answer(Response);
        }

        public void Cancel() => _space.Cancel();

        public uint[] Handles(uint first)
        {
            byte[] list = Do(Cmd.GetCapability(1, first, 100)).Body;
            return [.. Enumerable.Range(0, list[8])
                .Select(i => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(list.AsSpan(9 + (4 * i))))];
        }

        public void Dispose()
        {
            _space.Close();
            _rig.Run();
        }
    }
}
