using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>An opener's thread carries out the command that it has handed in, when it is the only one.</summary>
public sealed class LentThreadTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_lent_thread_carries_out_the_only_command()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.SendLending(Cmd.GetRandom(8));
        Assert.True(opener.IsDone);
    }

    /// <summary>
    /// The manager's own thread, awake for something else, took such a command. The lent threads then found it at work
    /// each time, and never got the TPM back while commands kept coming.
    /// </summary>
    [Fact]
    public void The_managers_own_thread_leaves_commands_to_the_threads_that_are_lent_for_them()
    {
        using var rig = new Rig();
        Opener[] openers = [rig.Open(), rig.Open()];
        Array.ForEach(openers, opener => opener.SendToLend(Cmd.GetRandom(8)));

        Assert.False(rig.Manager.RunOne());
        Assert.Equal(LendResult.Done, openers[0].Lend());
        Assert.Equal(LendResult.Done, openers[1].Lend());
    }

    [Fact]
    public void A_lent_thread_is_not_kept_for_others()
    {
        using var rig = new Rig();
        Opener first = rig.Open();
        Opener second = rig.Open();
        first.Send(Cmd.GetRandom(8));
        second.SendLending(Cmd.GetRandom(8));
        Assert.False(first.IsDone || second.IsDone);
        rig.Run();
        Assert.True(first.IsDone && second.IsDone);
    }

    [Fact]
    public void Lent_threads_carry_out_the_commands_of_all_who_lend_and_each_stays_until_its_own_is_taken()
    {
        using var rig = new Rig();
        Opener[] openers = [rig.Open(), rig.Open(), rig.Open()];
        Array.ForEach(openers, opener => opener.SendToLend(Cmd.GetRandom(8)));

        Assert.Equal(LendResult.Again, openers[2].Lend());
        Assert.Equal(LendResult.Again, openers[2].Lend());
        Assert.Equal([true, true, false], openers.Select(opener => opener.IsDone));
        Assert.Equal(LendResult.Nothing, openers[0].Lend());
        Assert.Equal(LendResult.Done, openers[2].Lend());
        Assert.True(openers[2].IsDone);
        Assert.False(rig.Manager.RunOne());
    }

    [Fact]
    public void A_command_whose_opener_leaves_before_it_lends_holds_up_nobody()
    {
        using var rig = new Rig();
        Opener leaving = rig.Open();
        Opener other = rig.Open();
        leaving.SendToLend(Cmd.GetRandom(8));
        other.SendToLend(Cmd.GetRandom(8));
        leaving.Close();

        Assert.Equal(LendResult.Nothing, other.Lend());
        Assert.False(other.IsDone);
        rig.Run();
        Assert.True(other.IsDone);
    }

    [Fact]
    public void A_command_that_is_cancelled_before_its_thread_is_lent_leaves_the_others_to_theirs()
    {
        using var rig = new Rig();
        Opener cancelled = rig.Open();
        Opener other = rig.Open();
        cancelled.SendToLend(Cmd.GetRandom(8));
        other.SendToLend(Cmd.GetRandom(8));
        cancelled.Cancel();

        Assert.Equal(LendResult.Nothing, cancelled.Lend());
        Assert.Equal(LendResult.Done, other.Lend());
        Assert.True(other.IsDone);
    }

    [Fact]
    public void An_opener_that_left_is_dealt_with_before()
    {
        using var rig = new Rig();
        Opener leaving = rig.Open();
        leaving.NewKeys(1);
        leaving.Close();
        Opener opener = rig.Open();
        opener.SendLending(Cmd.GetRandom(8));
        Assert.False(opener.IsDone);
        rig.Run();
        Assert.True(opener.IsDone);
    }

    [Fact]
    public void With_many_threads_every_command_is_answered_once_and_the_slots_are_given_back()
    {
        using var tpm = new SimulatedTpm();
        using var manager =
            new ResourceManager(tpm, new ResourceManagerOptions(), TimeProvider.System, new RecordingLog());
        Assert.True(manager.TryStart(out string problem), problem);
        var group = new SchedulingGroup(new GroupId(1), "root", new SpaceLimits());
        int done = 0;
        Thread[] threads = [.. Enumerable.Range(0, 6)
            .Select(
                i => new Thread(
                    () => Interlocked.Add(
                        ref done, Work(manager, new SpaceOwner(group, (uint)i, 0), lends: i % 3 != 0) ? 1 : 0)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => Assert.True(thread.Join(s_deadline), "A thread did not end."));
        Assert.Equal(threads.Length, done);
        Assert.True(
            SpinWait.SpinUntil(() => tpm.TransientHandles.Count == 0, s_deadline), "The slots were not given back.");
    }

    /// <summary>True when every command was answered.</summary>
    private static bool Work(ResourceManager manager, SpaceOwner owner, bool lends)
    {
        for (int round = 0; round < 20; round++)
        {
            var client = new CountingClient();
            Space space = manager.OpenSpace(owner, client);
            for (int i = 0; i < 50; i++)
            {
                byte[] command = i == 0
                    ? Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), $"{owner.Uid}")
                    : Cmd.Sign(0x80000000, "text");
                if (!space.TrySubmit(command, lends))
                {
                    return false;
                }

                if (lends)
                {
                    space.Lend();
                }

                if (!client.Answered.Wait(s_deadline))
                {
                    return false;
                }
            }

            space.Close();
        }

        return true;
    }

    private sealed class CountingClient : ISpaceClient
    {
        public SemaphoreSlim Answered { get; } = new(0);

        public void Completed(ReadOnlySpan<byte> response) => Answered.Release();

        public void Denied(TpmCc command) => throw new InvalidOperationException("Nothing is denied.");

        public void Failed(SpaceFailure failure) => throw new InvalidOperationException($"{failure}");
    }
}
