using System.Text;

namespace TpmFs.Os.Tests;

/// <summary>Processes that choose their own names.</summary>
public sealed class ProcessNameTests
{
    private const string Kernel = "\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4711\nNgid:\t0\nPid:\t4712\n";

    [Theory]
    [InlineData("bash", "bash")]
    [InlineData("x\rTgid:\t1", "x_Tgid:_1")]
    [InlineData("x\\nTgid:\t1", "x\\nTgid:_1")]
    [InlineData("a b", "a_b")]
    [InlineData("\u001b[31m", "_[31m")]
    [InlineData("ä", "__")]
    [InlineData("\u0085Tgid:\t1", "__Tgid:_1")]
    [InlineData("\u2028Tgid:\t1", "___Tgid:_1")]
    [InlineData("", "?")]
    public void A_name_is_nothing_but_the_name(string name, string shown) =>
        Assert.Equal(
            new ProcessName(4711, shown), ProcessName.Parse(Encoding.UTF8.GetBytes($"Name:\t{name}{Kernel}"), 4712));

    [Theory]
    [InlineData("")]
    [InlineData("Name:\tx")]
    [InlineData("Name:\tx\nTgid:\t\n")]
    [InlineData("Name:\tx\nTgid:\t-1\n")]
    [InlineData("Name:\tx\nTgid:\t99999999999\n")]
    [InlineData("Name:\tx\nTgid:\t1 2\n")]
    public void Without_a_process_it_is_the_thread(string status) =>
        Assert.Equal(4712u, ProcessName.Parse(Encoding.UTF8.GetBytes(status), 4712).Id);

    [Fact]
    public void This_process_is_found_and_one_that_is_not_there_is_not()
    {
        Assert.Equal((uint)Environment.ProcessId, ProcessName.OfThread((uint)Environment.ProcessId).Id);
        Assert.NotEqual("?", ProcessName.OfThread((uint)Environment.ProcessId).Name);
        Assert.Equal(new ProcessName(5_000_000, "?"), ProcessName.OfThread(5_000_000));
    }
}
