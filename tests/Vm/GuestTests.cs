using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests;

/// <summary>What the other tests rely on.</summary>
[Collection(GuestCollection.Name)]
public sealed class GuestTests(Guest guest)
{
    [Fact]
    public void The_guest_runs_debians_kernel_and_the_tpmfs_that_was_built()
    {
        string output = guest.Run($"uname -v; {Guest.Repository}out/tpmfs --version").Succeeded().Output;
        Assert.Contains("Debian", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_script_that_fails_or_takes_too_long_is_told()
    {
        Assert.Equal(new Outcome(3, "out\n", "err\n"), guest.Run("echo out; echo err >&2; exit 3"));
        Assert.Throws<TimeoutException>(() => guest.Run("sleep 60", TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void What_the_guest_writes_is_not_seen_here()
    {
        string file = Path.Combine(Guest.Scripts, "written-by-the-guest");
        Assert.Equal("text\n", guest.Run($"echo text >{file}; cat {file}").Succeeded().Output);
        Assert.False(File.Exists(file));
    }
}
