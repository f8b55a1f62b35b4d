using System.Text;

namespace TpmFs.Os.Tests;

/// <summary>Tests where and how threads run.</summary>
public sealed class ThreadCallsTests
{
    private const string Rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 "
        + "31 32 33 34 35 3 0 0";

    [Theory]
    [InlineData("4711 (bash)")]
    [InlineData("4711 (a b)")]
    [InlineData("4711 (x) 1 2 3)")]
    [InlineData("4711 ())")]
    public void The_CPU_is_found_whatever_a_process_calls_itself(string begin) =>
        Assert.Equal(3, ThreadCalls.ParseCpu(Encoding.UTF8.GetBytes(begin + Rest)));

    [Theory]
    [InlineData("")]
    [InlineData("4711 (bash) S 1 2 3")]
    [InlineData("4711 (bash")]
    public void A_file_that_is_cut_off_has_no_CPU(string stat) =>
        Assert.Null(ThreadCalls.ParseCpu(Encoding.UTF8.GetBytes(stat)));

    [Fact]
    public void Waits_are_the_second_and_the_third_number()
    {
        Assert.True(ThreadCalls.TryParseWaits("123 45600 78\n"u8, out CpuWaits waits));
        Assert.Equal(new CpuWaits(TimeSpan.FromMicroseconds(45.6), 78), waits);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1 2")]
    [InlineData("1 x 3")]
    [InlineData("1 2 99999999999999999999")]
    public void A_file_without_three_numbers_has_no_waits(string stat) =>
        Assert.False(ThreadCalls.TryParseWaits(Encoding.UTF8.GetBytes(stat), out _));

    [Fact]
    public void A_thread_is_found_on_a_CPU_that_it_may_run_on()
    {
        var allowed = new CpuSet();
        Assert.False(allowed.ReadFrom(ThreadCalls.CurrentThread).IsError);
        Assert.True(allowed.Count > 0);
        Assert.True(allowed.Contains(ThreadCalls.LastCpuOf((uint)ThreadCalls.CurrentThread)!.Value));
        Assert.Contains(ThreadCalls.CurrentThread, ThreadCalls.OwnThreads());
        Assert.True(ThreadCalls.TryGetWaits(ThreadCalls.CurrentThread, out _));
    }

    [Fact]
    public void A_thread_that_is_not_there_says_nothing()
    {
        Assert.Null(ThreadCalls.LastCpuOf(5_000_000));
        Assert.False(ThreadCalls.TryGetWaits(5_000_000, out _));
        Assert.Equal(SchedulingClass.Special, ThreadCalls.ClassOf(5_000_000));
        Assert.Equal(Errno.ESRCH, ThreadCalls.SetClass(5_000_000, SchedulingClass.Other));
    }

    [Fact]
    public void A_thread_moves_to_one_CPU_and_back_and_not_to_one_that_is_not_there()
    {
        var thread = new Thread(() =>
        {
            int self = ThreadCalls.CurrentThread;
            (CpuSet before, CpuSet one, CpuSet found) = (new CpuSet(), new CpuSet(), new CpuSet());
            _ = before.ReadFrom(self);
            one.Add(ThreadCalls.LastCpuOf((uint)self)!.Value);
            Assert.False(one.ApplyTo(self).IsError);
            _ = found.ReadFrom(self);
            Assert.Equal(one, found);
            one.Clear();
            one.Add(8191);
            Assert.Equal(Errno.EINVAL, one.ApplyTo(self));
            Assert.False(before.ApplyTo(self).IsError);
        });
        thread.Start();
        thread.Join();
    }
}
