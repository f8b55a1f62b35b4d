namespace TpmFs.Tpm.Tests.Harness;

/// <summary>A directory of a test's own, short enough for sockets, gone with it.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
