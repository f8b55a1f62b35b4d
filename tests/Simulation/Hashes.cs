using System.Security.Cryptography;

namespace TpmFs.Simulation;

/// <summary>
/// The hash algorithms that the simulation has (TPM_ALG_ID), as real as anywhere, so that digests can be compared with
/// a real TPM's.
/// </summary>
internal static class Hashes
{
    public const ushort Sha1 = 0x0004;
    public const ushort Sha256 = 0x000B;
    public const ushort Sha384 = 0x000C;
    public const ushort Sha512 = 0x000D;
    public const ushort None = 0x0010;

    public static readonly ushort[] All = [Sha1, Sha256, Sha384, Sha512];

    /// <summary>The size of a digest in bytes; zero for what is no hash algorithm.</summary>
    public static int Size(ushort algorithm) => algorithm switch
    {
        Sha1 => 20,
        Sha256 => 32,
        Sha384 => 48,
        Sha512 => 64,
        _ => 0,
    };

    public static byte[] Digest(ushort algorithm, ReadOnlySpan<byte> data) => algorithm switch
    {
        Sha1 => LegacySha1(data),
        Sha384 => SHA384.HashData(data),
        Sha512 => SHA512.HashData(data),
        _ => SHA256.HashData(data),
    };

    public static byte[] Digest(ByteWriter data) => SHA256.HashData(data.Written);

#pragma warning disable CA5350 // PCR banks of SHA-1 are part of the specification.
    private static byte[] LegacySha1(ReadOnlySpan<byte> data) => SHA1.HashData(data);
#pragma warning restore CA5350
}
