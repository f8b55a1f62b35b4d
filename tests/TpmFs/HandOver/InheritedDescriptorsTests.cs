using Microsoft.Win32.SafeHandles;
using TpmFs.HandOver;

namespace TpmFs.Daemon.Tests.HandOver;

[Collection("environment")]
public sealed class InheritedDescriptorsTests
{
    [Fact]
    public void What_the_program_before_handed_over_is_found_by_name_and_not_passed_on()
    {
        int fuse = MakeInheritable();
        int data = MakeInheritable();
        Environment.SetEnvironmentVariable(InheritedDescriptors.Variable, $"fuse={fuse}:tpm0-data={data}");
        using var inherited = InheritedDescriptors.Receive();

        Assert.Equal(["fuse", "tpm0-data"], inherited.Names.Order(StringComparer.Ordinal));
        using SafeFileHandle? taken = inherited.Take("fuse");
        Assert.Equal(fuse, taken!.DangerousGetHandle());
        Assert.Null(inherited.Take("fuse"));
        Assert.True(IsClosedOnExec(fuse));
        Dictionary<string, SafeFileHandle> ways = inherited.TakeAll("tpm0-");
        using SafeFileHandle way = Assert.Single(ways).Value;
        Assert.Equal(("data", (nint)data), (ways.Keys.Single(), way.DangerousGetHandle()));
        Assert.Null(Environment.GetEnvironmentVariable(InheritedDescriptors.Variable));
    }

    [Fact]
    public void What_nobody_takes_is_closed()
    {
        int left = MakeInheritable();
        Environment.SetEnvironmentVariable(InheritedDescriptors.Variable, $"left={left}");
        InheritedDescriptors.Receive().Dispose();
        Assert.False(IsOpen(left));
    }

    [Theory]
    [InlineData("fuse")]
    [InlineData("fuse=")]
    [InlineData("fuse=x")]
    [InlineData("fuse=-1")]
    [InlineData("fuse=0:doors=1:tpm0=2")]
    [InlineData("fuse=99999")]
    [InlineData("fuse=99999999999999")]
    [InlineData("=:=:::fuse==5")]
    public void What_is_no_open_descriptor_is_left_out(string variable)
    {
        Environment.SetEnvironmentVariable(InheritedDescriptors.Variable, variable);
        using var inherited = InheritedDescriptors.Receive();
        Assert.Empty(inherited.Names);
        Assert.True(IsOpen(0) && IsOpen(1) && IsOpen(2));
    }

    [Fact]
    public void What_the_service_manager_passed_to_another_process_is_not_taken()
    {
        Environment.SetEnvironmentVariable("LISTEN_PID", "1");
        Environment.SetEnvironmentVariable("LISTEN_FDS", "2");
        Environment.SetEnvironmentVariable("LISTEN_FDNAMES", "fuse:doors");
        using var inherited = InheritedDescriptors.Receive();
        Assert.Empty(inherited.Names);
        Assert.Null(Environment.GetEnvironmentVariable("LISTEN_FDS"));
    }

    /// <summary>A number of a descriptor that the object under test will close.</summary>
    private static int MakeInheritable()
    {
        Assert.False(SharedMemory.Create("test", 4096, out SharedMemory? memory).IsError);
        SafeFileHandle handle = memory!.Descriptor;
        int number = (int)handle.DangerousGetHandle();
        FileCalls.SetInheritable(handle, inheritable: true);
        handle.SetHandleAsInvalid();
        return number;
    }

    private static bool IsOpen(int number) => Path.Exists($"/proc/self/fd/{number}");

    private static bool IsClosedOnExec(int number)
    {
        string flags = File.ReadLines($"/proc/self/fdinfo/{number}")
            .First(line => line.StartsWith("flags:", StringComparison.Ordinal));
        return (Convert.ToInt32(flags.Split("\t")[1], 8) & 0x80000) != 0;
    }
}
