using System.Text;

namespace TpmFs.Os.Tests;

/// <summary>Processes that choose their own names.</summary>
public sealed class ProcessNameTests
{
    [Theory]
    [InlineData("bash\n", "bash")]
    [InlineData("bash", "bash")]
    [InlineData("x\rTgid:\t1\n", "x_Tgid:_1")]
    [InlineData("x\n4711\n", "x_4711")]
    [InlineData("x\n\n", "x_")]
    [InlineData("a b\n", "a_b")]
    [InlineData("\u001b[31m\n", "_[31m")]
    [InlineData("ä\n", "__")]
    [InlineData("\u0085Tgid:\t1\n", "__Tgid:_1")]
    [InlineData("\u2028Tgid:\t1\n", "___Tgid:_1")]
    [InlineData("\n", "?")]
    [InlineData("", "?")]
    public void A_name_is_nothing_but_the_name(string comm, string shown) =>
        Assert.Equal(shown, ProcessName.Show(Encoding.UTF8.GetBytes(comm)));

    [Fact]
    public void The_process_is_the_first_thread_of_the_listing()
    {
        Assert.Equal(4711u, ProcessName.FirstThread([.. Entry("."), .. Entry(".."), .. Entry("4711"), .. Entry("12")]));
        Assert.Null(ProcessName.FirstThread([.. Entry("."), .. Entry("..")]));
        Assert.Null(ProcessName.FirstThread(Entry("99999999999")));
        Assert.Null(ProcessName.FirstThread(Entry("4711x")));
        Assert.Null(ProcessName.FirstThread(Entry("4711").AsSpan(0, 20)));
        Assert.Null(ProcessName.FirstThread([]));
    }

    [Fact]
    public void This_process_is_found_and_one_that_is_not_there_is_not()
    {
        Assert.Equal((uint)Environment.ProcessId, ProcessName.OfThread((uint)Environment.ProcessId).Id);
        Assert.NotEqual("?", ProcessName.OfThread((uint)Environment.ProcessId).Name);
        Assert.Equal(new ProcessName(5_000_000, "?"), ProcessName.OfThread(5_000_000));
    }

    [Fact]
    public void A_thread_leads_to_its_process()
    {
        int id = 0;
        uint process = 0;
        var thread = new Thread(() =>
        {
            id = ThreadCalls.CurrentThread;
            process = ProcessName.OfThread((uint)id).Id;
        });
        thread.Start();
        thread.Join();

        Assert.NotEqual(Environment.ProcessId, id);
        Assert.Equal((uint)Environment.ProcessId, process);
    }

    /// <summary>An entry of a directory: inode, offset, length, type, name; filled up to 8 bytes.</summary>
    private static byte[] Entry(string name)
    {
        byte[] entry = new byte[(19 + name.Length + 1 + 7) & ~7];
        BitConverter.TryWriteBytes(entry.AsSpan(16), (ushort)entry.Length);
        Encoding.ASCII.GetBytes(name, entry.AsSpan(19));
        return entry;
    }
}
