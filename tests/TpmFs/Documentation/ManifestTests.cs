namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>The objects for Kubernetes, held against the schema of its API.</summary>
public sealed class ManifestTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_field_is_one_of_the_API_and_of_its_type() =>
        Assert.Equal((0, "Namespace ConfigMap DaemonSet Pod\n", ""), Check(Manifest));

    [Theory]
    [InlineData("mountPropagation:", "mountpropagation:", "V1VolumeMount has no mountpropagation")]
    [InlineData("privileged: true", "privileged: 7", "7 is no bool")]
    [InlineData("  selector:", "  labels:", "`selector`, must not be `None`")]
    public void A_manifest_that_the_API_would_refuse_is_found(string right, string wrong, string problem)
    {
        string path = Path.Combine(_folder, "wrong.yaml");
        File.WriteAllText(path, File.ReadAllText(Manifest).Replace(right, wrong, StringComparison.Ordinal));
        (int code, string output, string error) = Check(path);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(problem, output, StringComparison.Ordinal);
    }

    private static string Manifest => Path.Combine(Repository.Folder, "dist/kubernetes/tpmfs.yaml");

    private static (int Code, string Output, string Error) Check(string manifest) => Tool.Run(
        "/usr/bin/python3", Path.Combine(Repository.Folder, "tests/TpmFs/Documentation/manifest.py"), manifest);
}
