using System.Diagnostics;

namespace TpmFs.Os.Tests;

/// <summary>What tells processes apart. Needs Linux 6.9.</summary>
public sealed class ProcessCallsTests
{
    [Fact]
    public void A_process_has_a_serial_number_of_its_own()
    {
        ulong self = ProcessCalls.SerialOf((uint)Environment.ProcessId);
        Assert.NotEqual(0u, self);
        Assert.Equal(self, ProcessCalls.SerialOf((uint)Environment.ProcessId));

        using var other = Process.Start("sleep", ["60"]);
        ulong serial = ProcessCalls.SerialOf((uint)other.Id);
        other.Kill();
        other.WaitForExit();
        Assert.NotEqual(0u, serial);
        Assert.NotEqual(self, serial);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5_000_000)]
    [InlineData(uint.MaxValue)]
    public void What_is_no_process_has_none(uint id) => Assert.Equal(0u, ProcessCalls.SerialOf(id));
}
