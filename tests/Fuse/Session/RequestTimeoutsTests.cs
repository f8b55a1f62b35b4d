using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

public sealed class RequestTimeoutsTests
{
    [Theory]
    [InlineData(null, 0)]
    [InlineData("0\n", 0)]
    [InlineData("nonsense\n", 0)]
    [InlineData("60\n", 1)]
    public void A_time_limit_of_the_kernel_is_warned_of(string? value, int warnings)
    {
        string folder = Directory.CreateTempSubdirectory("fuse-tests-").FullName;
        if (value is not null)
        {
            File.WriteAllText(Path.Combine(folder, "max_request_timeout"), value);
        }

        var fixture = new DispatcherFixture(new RecordingFileSystem());
        RequestTimeouts.Warn(fixture, folder);
        Directory.Delete(folder, recursive: true);

        Assert.Equal(warnings, fixture.Warnings.Count);
        Assert.All(
            fixture.Warnings,
            warning => Assert.Contains("sysctl fs.fuse.max_request_timeout=0", warning, StringComparison.Ordinal));
    }
}
