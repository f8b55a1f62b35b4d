namespace TpmFs.Simulation;

/// <summary>
/// Makes context blobs and checks them (Part 1, 30.3): a digest over the hierarchy's proof, the reset count, for
/// stClear objects the clear count, the sequence number, the saved handle and the content.
/// </summary>
internal static class ContextSeal
{
    private const int DigestSize = 32;

    public static byte[] Seal(
        TpmState state, uint hierarchy, ulong sequence, uint savedHandle, ReadOnlySpan<byte> content) =>
        new ByteWriter().Sized(Integrity(state, hierarchy, sequence, savedHandle, content)).Bytes(content).ToArray();

    /// <summary>The content of an authentic blob; else a response code that blames the parameter.</summary>
    public static uint Open(
        TpmState state, uint hierarchy, ulong sequence, uint savedHandle, byte[] blob, CommandReader content)
    {
        content.Load(blob, blob.Length);
        content.Enter(CommandReader.ParameterArea);
        ReadOnlySpan<byte> integrity = content.Sized(64);
        if (content.Failed)
        {
            return content.Failure;
        }

        if (integrity.Length != DigestSize || content.Remaining < 8)
        {
            return Rc.Size.P(1);
        }

        ReadOnlySpan<byte> body = content.Slice(content.Position, content.Remaining);
        return integrity.SequenceEqual(Integrity(state, hierarchy, sequence, savedHandle, body))
            ? Rc.Success : Rc.Integrity.P(1);
    }

    private static byte[] Integrity(
        TpmState state, uint hierarchy, ulong sequence, uint savedHandle, ReadOnlySpan<byte> content) => Hashes.Digest(
        new ByteWriter().Bytes(state.Hierarchies.Proof(hierarchy)).U32(state.TotalResetCount)
            .U32(savedHandle == 0x80000002 ? state.ClearCount : 0)
            .U64(sequence).U32(savedHandle).Bytes(content));
}
