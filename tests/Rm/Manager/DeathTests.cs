using System.Text;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>
/// The manager's process dies at each moment at which the next one would find another state: after each write to the
/// mirror, and before, in and after each exchange with the TPM.
/// </summary>
public sealed class DeathTests
{
    private const string Secret = "a secret that nobody else may see";

    /// <summary>More moments than any of these commands has.</summary>
    private const int Moments = 400;

    [Theory]
    [InlineData(nameof(Cmd.PcrExtend))]
    [InlineData(nameof(Cmd.CreatePrimary))]
    [InlineData(nameof(Cmd.FlushContext))]
    [InlineData(nameof(Cmd.Sign))]
    [InlineData(nameof(Cmd.SequenceComplete))]
    [InlineData(nameof(Cmd.StartAuthSession))]
    [InlineData(nameof(Cmd.PolicyCommandCode))]
    [InlineData(nameof(Cmd.ContextSave))]
    [InlineData(nameof(Cmd.ContextLoad))]
    public void The_tpm_executes_a_command_once_wherever_the_manager_dies(string command)
    {
        int alive = Enumerable.Range(0, Moments).First(moments => !Dies(command, moments));
        Assert.InRange(alive, 5, Moments);
    }

    [Fact]
    public void The_next_manager_may_die_too_while_it_goes_on()
    {
        for (int first = 0; first < 20; first++)
        {
            for (int second = 0; second < 24; second++)
            {
                Dies(nameof(Cmd.CreatePrimary), first, second);
            }
        }
    }

    [Fact]
    public void A_raw_command_is_executed_once_too()
    {
        for (int moments = 0; moments < 40; moments++)
        {
            using var rig = new Rig();
            rig.Open().NewKeys(2);
            Opener raw = rig.OpenRaw();
            rig.Tpm.Log.Clear();
            rig.DieAfter(Once(moments));
            Assert.True(raw.Do(Cmd.PcrExtend(16, "once")).IsSuccess);
            Assert.Equal(1, rig.Tpm.Log.Count(0x182));
        }
    }

    [Fact]
    public void An_object_whose_maker_left_meanwhile_is_flushed()
    {
        for (int moments = 0; moments < 12; moments++)
        {
            foreach (byte[] command in (byte[][])[Cmd.CreatePrimary(Handles.Owner, Templates.Signing()),
                Cmd.StartAuthSession(SessionType.Hmac)])
            {
                using var rig = new Rig();
                Opener opener = rig.Open();
                opener.Send(command);
                rig.DieAfter(Once(moments), died: opener.Close);
                rig.Run();
                rig.Settle();
                Assert.Empty(rig.Tpm.TransientHandles);
                Assert.Equal(opener.IsClosed ? 0 : rig.Tpm.SavedSessions.Count, rig.Tpm.ActiveSessions);
                rig.AssertNothingIsForgotten();
            }
        }
    }

    [Fact]
    public void A_command_that_ended_a_hierarchy_for_all_takes_effect_though_its_client_has_left()
    {
        using var rig = new Rig();
        Opener other = rig.Open();
        uint key = other.NewKeys(1)[0];
        rig.Settle();
        Opener opener = rig.Open();
        opener.Send(Cmd.HierarchyControl(Handles.Platform, Handles.Owner, enable: false));
        rig.DieAfter(Once(6), died: opener.Close);
        rig.Run();
        Assert.Equal(1, rig.Deaths);
        other.Must(Cmd.HierarchyControl(Handles.Platform, Handles.Owner, enable: true));
        Assert.Equal(Rc.ReferenceH0, other.Do(Cmd.Sign(key, "text")).Code);
    }

    /// <summary>
    /// The manager asks the TPM for its counts while it records a TPM2_Startup. Regression: had that committed what was
    /// recorded so far, the next manager would have sent the command again.
    /// </summary>
    [Fact]
    public void A_response_that_makes_the_manager_ask_the_tpm_is_recorded_as_a_whole()
    {
        for (int moments = 0; moments < 30; moments++)
        {
            using var rig = new Rig();
            Opener opener = rig.Open();
            opener.NewKeys(1);
            rig.Settle();
            rig.Tpm.PowerCycle();
            rig.Tpm.Log.Clear();
            rig.DieAfter(Once(moments));
            Answer answer = opener.Do(Cmd.Startup());
            bool wasFirst = rig.Tpm.Log.Codes[0] == 0x144; // else the next manager has started the TPM
            Assert.Equal(wasFirst ? Rc.Success : Rc.Initialize, answer.Code);
        }
    }

    [Fact]
    public void A_command_whose_response_is_lost_with_the_way_to_the_tpm_fails_and_is_not_sent_again()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        rig.Tpm.Log.Clear();
        rig.Tpm.IsKept = false;
        opener.Send(Cmd.PcrExtend(16, "once"));
        rig.DieAfter(Once(6));
        rig.Run();
        Assert.Equal(1, rig.Deaths);
        Assert.Equal(SpaceFailure.TransportLost, opener.Failure);
        Assert.Equal(1, rig.Tpm.Log.Count(0x182));
        Assert.Contains("is lost", rig.Manager.Adopted!.Exchange, StringComparison.Ordinal);
        opener.Must(Cmd.PcrExtend(16, "twice"));
    }

    [Fact]
    public void A_command_that_failed_is_not_sent_again_by_the_next_manager()
    {
        for (int moments = 0; moments < 20; moments++)
        {
            using var rig = new Rig();
            Opener opener = rig.Open();
            rig.Tpm.Log.Clear();
            rig.Tpm.IsKept = false;
            rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: true, command: 0x182);
            opener.Send(Cmd.PcrExtend(16, "once"));
            rig.DieAfter(Once(moments));
            rig.Pass(TimeSpan.FromSeconds(5));
            Assert.True(opener.IsDone);
            Assert.InRange(rig.Tpm.Log.Count(0x182), opener.Failure is null ? 1 : 0, 1);
        }
    }

    [Fact]
    public void A_manager_that_was_prepared_for_sleep_stays_so()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        rig.Manager.Suspend(() => { });
        rig.Run();
        rig.ReplaceManager();
        Assert.True(rig.Manager.IsSuspended);
        Assert.Equal(Rc.Retry, opener.Do(Cmd.ReadPublic(key)).Code);
        rig.Manager.Resume();
        opener.Must(Cmd.ReadPublic(key));
        Assert.False(rig.Manager.IsSuspended);
        rig.ReplaceManager();
        Assert.False(rig.Manager.IsSuspended);
    }

    [Fact]
    public void The_manager_tells_what_it_took_over()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(2);
        opener.NewSession(SessionType.Hmac);
        rig.Open();
        Assert.Null(rig.Manager.Adopted);
        rig.ReplaceManager();
        Assert.Equal((2, 2, 1, ""), rig.Manager.Adopted is { } told
            ? (told.Spaces, told.Objects, told.Sessions, told.Exchange) : default);
    }

    /// <summary>Commands, their answers and what the manager keeps of them are wiped as they are in the heap.</summary>
    [Fact]
    public void Nothing_of_a_command_is_left_in_the_mirror()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint sequence = opener.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle;
        opener.Must(Cmd.SequenceUpdate(sequence, Secret));
        opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), Secret));
        opener.Do(Cmd.SequenceUpdate(0x80000077, Secret));
        Assert.True(rig.Image().AsSpan().IndexOf(Encoding.UTF8.GetBytes(Secret)) < 0);
    }

    private static Func<int?> Once(int moments, int? then = null)
    {
        var left = new Queue<int?>([moments, then]);
        return () => left.TryDequeue(out int? next) ? next : null;
    }

    /// <summary>Sends a command, and lets the manager die after some moments.</summary>
    /// <returns>False when it was over before.</returns>
    private static bool Dies(string name, int moments, int? then = null)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = opener.NewKeys(3); // as many as there are slots
        byte[] command = Command(opener, name, keys[0]);
        rig.Tpm.Log.Clear();
        rig.DieAfter(Once(moments, then));
        Answer answer = opener.Must(command);
        Assert.True(rig.Tpm.Log.Count(CommandLog.CodeOf(command)) - Own(rig, command) <= 1);
        rig.AssertNothingIsForgotten();
        rig.AssertMirrored();
        AssertHasWorked(opener, name, keys[0], answer);
        bool hasDied = rig.Deaths > 0;
        opener.Close();
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Empty(rig.Tpm.LoadedSessions);
        return hasDied;
    }

    /// <summary>Counts the commands with the same code that are the manager's own.</summary>
    private static long Own(Rig rig, byte[] command) => CommandLog.CodeOf(command) is Cmd.ContextSaveCode
        or Cmd.ContextLoadCode or Cmd.FlushContextCode ? rig.Tpm.Log.Count(CommandLog.CodeOf(command)) : 0;

    private static byte[] Command(Opener opener, string name, uint key) => name switch
    {
        nameof(Cmd.PcrExtend) => Cmd.PcrExtend(16, "once"),
        nameof(Cmd.CreatePrimary) => Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "new"),
        nameof(Cmd.FlushContext) => Cmd.FlushContext(key),
        nameof(Cmd.Sign) => Cmd.Sign(key, "text", Auth.Password()),
        nameof(Cmd.SequenceComplete) =>
            Cmd.SequenceComplete(opener.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle, "text"),
        nameof(Cmd.StartAuthSession) => Cmd.StartAuthSession(SessionType.Policy),
        nameof(Cmd.PolicyCommandCode) => Cmd.PolicyCommandCode(opener.NewSession(SessionType.Policy), 0x15D),
        nameof(Cmd.ContextSave) => Cmd.ContextSave(opener.NewSession(SessionType.Policy)),
        _ => Cmd.ContextLoad(opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Policy))).Body),
    };

    private static void AssertHasWorked(Opener opener, string name, uint key, Answer answer)
    {
        if (name == nameof(Cmd.CreatePrimary))
        {
            opener.Must(Cmd.Sign(answer.Handle, "text", Auth.Password()));
        }
        else if (name is nameof(Cmd.StartAuthSession) or nameof(Cmd.ContextLoad))
        {
            opener.Must(Cmd.PolicyGetDigest(answer.Handle));
        }
        else if (name == nameof(Cmd.ContextSave))
        {
            opener.Must(Cmd.ContextLoad(answer.Body));
        }

        Assert.Equal(name == nameof(Cmd.FlushContext), !opener.Do(Cmd.Sign(key, "text", Auth.Password())).IsSuccess);
    }
}
