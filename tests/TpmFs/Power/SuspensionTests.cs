using System.Text;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Fuse;
using TpmFs.Power;
using TpmFs.State;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Power;

/// <summary>
/// The power file: what it takes, who waits for what, and what happens when nobody says that the machine is awake.
/// </summary>
public sealed class SuspensionTests : IDisposable
{
    private readonly TreeFixture _tree = new();
    private readonly Sleeper _tpm = new();

    public SuspensionTests() => _tree.Sleepers.Add(_tpm);

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void The_power_file_is_roots_alone_and_shows_whether_the_machine_is_awake()
    {
        Assert.Equal((0x8180u, 0u), (_tree.Find("power").Mode, _tree.Find("power").Uid));
        Assert.Equal("awake\n", _tree.Read("power"));
        _tree.Make("domains", "web");
        Assert.DoesNotContain("power", _tree.List("domains/web"));
    }

    [Fact]
    public void A_reader_is_told_when_every_TPM_is_saved_and_not_before()
    {
        var other = new Sleeper();
        _tree.Sleepers.Add(other);
        Assert.Equal(Errno.None, _tree.Write("power", "suspend\n"));
        FakeReply waits = _tree.ReadFrom(_tree.Open("power"));
        _tpm.Saved!();
        Assert.False(waits.Answered);
        other.Saved!();
        Assert.Equal("suspended\n", Encoding.ASCII.GetString(waits.Data));
        Assert.Equal("suspended\n", _tree.Read("power"));

        Assert.Equal(Errno.None, _tree.Write("power", "resume"));
        Assert.Equal((1, 1), (_tpm.Resumed, other.Resumed));
        Assert.Equal("awake\n", _tree.Read("power"));
    }

    [Fact]
    public void Status_says_that_commands_are_put_off_and_how_they_go_on()
    {
        Assert.DoesNotContain("SUSPENDED", _tree.Read("status"), StringComparison.Ordinal);
        _tree.Write("power", "suspend");
        Assert.Matches(@"(?m)^power      SUSPENDED.* 0x922.* tpmfs resume$", _tree.Read("status"));
        _tpm.Saved!();
        Assert.Matches(@"(?m)^power      SUSPENDED", _tree.Read("status"));
        _tree.Write("power", "resume");
        Assert.DoesNotContain("SUSPENDED", _tree.Read("status"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_in_pieces_sees_one_moment()
    {
        OpenId open = _tree.Open("power");
        byte[] first = _tree.ReadFrom(open, 0, 3).Data;
        _tree.Write("power", "suspend");
        Assert.Equal("awake\n", Encoding.ASCII.GetString([.. first, .. _tree.ReadFrom(open, 3).Data]));
        Assert.Empty(_tree.ReadFrom(open, 6).Data);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sleep")]
    [InlineData("suspend now")]
    [InlineData("resume\0")]
    public void A_word_that_is_no_order_is_EINVAL(string word)
    {
        Assert.Equal(Errno.EINVAL, _tree.Write("power", word));
        Assert.Null(_tpm.Saved);
    }

    [Fact]
    public void A_command_that_takes_too_long_is_cancelled_and_then_no_longer_waited_for()
    {
        _tree.Write("power", "suspend");
        FakeReply waits = _tree.ReadFrom(_tree.Open("power"));
        _tree.Time.Advance(Suspension.UntilCancel);
        Assert.Equal(1, _tpm.Canceled);
        Assert.False(waits.Answered);
        _tree.Time.Advance(Suspension.LongestWait - Suspension.UntilCancel);
        Assert.Equal("suspending\n", Encoding.ASCII.GetString(waits.Data));
        _tpm.Saved!();
        Assert.Equal("suspended\n", _tree.Read("power"));
    }

    [Fact]
    public void Nobody_is_held_for_ever_when_the_machine_is_not_said_to_be_awake()
    {
        _tree.Write("power", "suspend");
        _tpm.Saved!();
        _tree.Time.Advance(Suspension.UntilAwake - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, _tpm.Resumed);
        _tree.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((1, 0), (_tpm.Resumed, _tpm.Canceled));
        Assert.Equal("awake\n", _tree.Read("power"));
        Assert.Contains("tpmfs resumes by itself", _tree.Logged, StringComparison.Ordinal);
    }

    [Fact]
    public void A_save_for_an_earlier_sleep_does_not_count_for_a_later_one()
    {
        _tree.Write("power", "suspend");
        Action early = _tpm.Saved!;
        _tree.Write("power", "resume");
        _tree.Write("power", "suspend");
        early();
        FakeReply waits = _tree.ReadFrom(_tree.Open("power"));
        Assert.False(waits.Answered);
        _tree.Write("power", "resume");
        Assert.Equal("awake\n", Encoding.ASCII.GetString(waits.Data));
        _tree.Time.Advance(Suspension.UntilAwake * 2);
        Assert.Equal((2, 2), (_tpm.Suspended, _tpm.Resumed));
    }

    [Fact]
    public void An_interrupt_ends_the_wait_once()
    {
        _tree.Write("power", "suspend");
        FakeReply waits = _tree.ReadFrom(_tree.Open("power"));
        waits.Interrupt();
        Assert.Equal(Errno.EINTR, waits.Error);
        waits.Interrupt();
        _tpm.Saved!();
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
