using System.Text;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Daemon.Tests.Nodes;
using TpmFs.Fuse;
using TpmFs.Power;
using static TpmFs.Daemon.Tests.Nodes.TreeFixture;

namespace TpmFs.Daemon.Tests.Power;

/// <summary>The power file: what it takes, who waits for what, and what happens when nobody says that the machine is awake.</summary>
public sealed class SuspensionTests : IDisposable
{
    private readonly TreeFixture tree = new();
    private readonly Sleeper tpm = new();

    public SuspensionTests() => tree.Sleepers.Add(tpm);

    public void Dispose() => tree.Dispose();

    [Fact]
    public void It_is_roots_alone_and_shows_whether_the_machine_is_awake()
    {
        Assert.Equal((0x8180u, 0u), (tree.Find("power").Mode, tree.Find("power").Uid));
        Assert.Equal("awake\n", tree.Read("power"));
        tree.Make("domains", "web");
        Assert.DoesNotContain("power", tree.List("domains/web"));
    }

    [Fact]
    public void A_reader_is_told_when_every_TPM_is_saved_and_not_before()
    {
        var other = new Sleeper();
        tree.Sleepers.Add(other);
        Assert.Equal(Errno.None, tree.Write("power", "suspend\n"));
        var waits = tree.ReadFrom(tree.Open("power"));
        tpm.Saved!();
        Assert.False(waits.Answered);
        other.Saved!();
        Assert.Equal("suspended\n", Encoding.ASCII.GetString(waits.Data));
        Assert.Equal("suspended\n", tree.Read("power"));

        Assert.Equal(Errno.None, tree.Write("power", "resume"));
        Assert.Equal((1, 1), (tpm.Resumed, other.Resumed));
        Assert.Equal("awake\n", tree.Read("power"));
    }

    [Fact]
    public void A_reader_in_pieces_sees_one_moment()
    {
        var open = tree.Open("power");
        var first = tree.ReadFrom(open, 0, 3).Data;
        tree.Write("power", "suspend");
        Assert.Equal("awake\n", Encoding.ASCII.GetString([.. first, .. tree.ReadFrom(open, 3).Data]));
        Assert.Empty(tree.ReadFrom(open, 6).Data);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sleep")]
    [InlineData("suspend now")]
    [InlineData("resume\0")]
    public void Another_word_is_EINVAL(string word)
    {
        Assert.Equal(Errno.EINVAL, tree.Write("power", word));
        Assert.Null(tpm.Saved);
    }

    [Fact]
    public void A_command_that_takes_too_long_is_cancelled_and_then_no_longer_waited_for()
    {
        tree.Write("power", "suspend");
        var waits = tree.ReadFrom(tree.Open("power"));
        tree.Time.Advance(Suspension.UntilCancel);
        Assert.Equal(1, tpm.Canceled);
        Assert.False(waits.Answered);
        tree.Time.Advance(Suspension.UntilToldAllTheSame - Suspension.UntilCancel);
        Assert.Equal("suspending\n", Encoding.ASCII.GetString(waits.Data));
        tpm.Saved!();
        Assert.Equal("suspended\n", tree.Read("power"));
    }

    [Fact]
    public void Nobody_is_held_for_ever_when_the_machine_is_not_said_to_be_awake()
    {
        tree.Write("power", "suspend");
        tpm.Saved!();
        tree.Time.Advance(Suspension.UntilAwake - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, tpm.Resumed);
        tree.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((1, 0), (tpm.Resumed, tpm.Canceled));
        Assert.Equal("awake\n", tree.Read("power"));
        Assert.Contains("it is taken for written", tree.Logged, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_saved_for_an_earlier_sleep_does_not_count_for_a_later_one()
    {
        tree.Write("power", "suspend");
        var early = tpm.Saved!;
        tree.Write("power", "resume");
        tree.Write("power", "suspend");
        early();
        var waits = tree.ReadFrom(tree.Open("power"));
        Assert.False(waits.Answered);
        tree.Write("power", "resume");
        Assert.Equal("awake\n", Encoding.ASCII.GetString(waits.Data));
        tree.Time.Advance(Suspension.UntilAwake * 2);
        Assert.Equal((2, 2), (tpm.Suspended, tpm.Resumed));
    }

    [Fact]
    public void An_interrupt_ends_the_wait_once()
    {
        tree.Write("power", "suspend");
        var waits = tree.ReadFrom(tree.Open("power"));
        waits.Interrupt();
        Assert.Equal(Errno.EINTR, waits.Error);
        waits.Interrupt();
        tpm.Saved!();
        Assert.Equal(1, waits.Answers);
    }

    private sealed class Sleeper : ISuspendable
    {
        public Action? Saved { get; private set; }

        public int Suspended { get; private set; }

        public int Resumed { get; private set; }

        public int Canceled { get; private set; }

        public void Suspend(Action saved) => (Saved, Suspended) = (saved, Suspended + 1);

        public void Resume() => Resumed++;

        public void CancelRunning() => Canceled++;
    }
}
