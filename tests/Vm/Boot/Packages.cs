using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>What 'make deb' has left, and what follows it.</summary>
internal static class Packages
{
    /// <summary>Higher than any version that will be built.</summary>
    public const string NextVersion = "999";

    public static string Built { get; } = Find("tpmfs_*.deb");

    /// <summary>The package that takes the place of tpm2-abrmd.</summary>
    public static string Abrmd { get; } = Find("tpmfs-abrmd_*.deb");

    /// <summary>Packs the same files with a higher version.</summary>
    public static string MakeNext()
    {
        string folder = Path.Combine(Guest.Scripts, "obj", "next");
        string package = Path.Combine(folder, "tpmfs.deb");
        using var packing = new ChildProcess(["/bin/sh", "-euc", $"""
            rm -rf '{folder}'
            mkdir -p '{folder}'
            dpkg-deb --raw-extract '{Built}' '{folder}/files'
            sed -i 's/^Version: .*/Version: {NextVersion}/' '{folder}/files/DEBIAN/control'
            dpkg-deb --build --root-owner-group -Zgzip -z1 '{folder}/files' '{package}'
            """]);
        packing.Wait().Succeeded();
        return package;
    }

    private static string Find(string pattern) =>
        Directory.GetFiles(Path.Combine(Guest.Repository, "out"), pattern) is [var only]
            ? only
            : throw new FileNotFoundException(
                $"there must be one {pattern} in {Guest.Repository}out, which 'make deb' makes");
}
