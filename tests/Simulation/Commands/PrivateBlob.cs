namespace TpmFs.Simulation.Commands;

/// <summary>The private part of a key outside the TPM: good with its parent and its public part only.</summary>
internal static class PrivateBlob
{
    public static byte[] Wrap(TpmObject key, TpmObject parent)
    {
        byte[] body = new ByteWriter().Sized(key.Identity).Sized(key.Auth).ToArray();
        return new ByteWriter().Sized(Integrity(body, key.PublicBytes, parent)).Bytes(body).ToArray();
    }

    public static uint Unwrap(byte[] blob, byte[] publicBytes, TpmObject parent, out byte[] identity, out byte[] auth)
    {
        (identity, auth) = ([], []);
        var reader = new CommandReader();
        reader.Load(blob, blob.Length);
        ReadOnlySpan<byte> integrity = reader.Sized(64);
        if (reader.Failed)
        {
            return reader.Failure.P(1);
        }

        ReadOnlySpan<byte> body = reader.Slice(reader.Position, reader.Remaining);
        if (!integrity.SequenceEqual(Integrity(body, publicBytes, parent)))
        {
            return Rc.Integrity.P(1);
        }

        identity = reader.Sized(64).ToArray();
        auth = reader.Sized(64).ToArray();
        return Rc.Success;
    }

    private static byte[] Integrity(ReadOnlySpan<byte> body, byte[] publicBytes, TpmObject parent) =>
        Hashes.Digest(new ByteWriter().Bytes(parent.Identity).Bytes(body).Bytes(publicBytes));
}
