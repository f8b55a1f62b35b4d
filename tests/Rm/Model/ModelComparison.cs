using System.Buffers.Binary;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// Compares a manager's answer with the ideal one: equal but for the numbers of handles, random bytes, nonces, and
/// context blobs.
/// </summary>
internal static class ModelComparison
{
    /// <summary>
    /// Null when they are the same, properties (TPM_PT) of the list left out. <paramref name="ideal"/> says what one of
    /// the manager's handles is on the ideal side.
    /// </summary>
    public static string? Difference(
        uint command, Answer expected, Answer actual, IReadOnlyList<uint> uncompared, Func<uint, uint> ideal)
    {
        if (!AreSameCodes(command, expected.Code, actual.Code))
        {
            return $"0x{command:X}: 0x{actual.Code:X} instead of 0x{expected.Code:X}";
        }

        if (actual.Code != Rc.Success)
        {
            return null;
        }

        (string? wanted, string? got) =
            (Describe(command, expected, uncompared, h => h), Describe(command, actual, uncompared, ideal));
        return wanted == got ? null : $"0x{command:X}:\n{got} instead of\n{wanted}";
    }

    /// <summary>
    /// A session's context that is stale after a reset is TPM_RC_INTEGRITY for a TPM; a manager that knows the session
    /// for dead may say TPM_RC_HANDLE.
    /// </summary>
    private static bool AreSameCodes(uint command, uint expected, uint actual) =>
        expected == actual
            || (command == Cmd.ContextLoadCode && expected == Rc.Integrity.P(1) && actual == Rc.Handle.P(1));

    private static string Describe(uint command, Answer answer, IReadOnlyList<uint> uncompared, Func<uint, uint> ideal)
    {
        bool hasSessions = answer.Bytes[1] == 2;
        int at = 10;
        string text = $"tag {answer.Bytes[1]}";
        if (CommandTable.Find(command) is { HasResponseHandle: true })
        {
            text += $" handle {ideal(answer.Handle):X}";
            at += 4;
        }

        int length =
            hasSessions ? BinaryPrimitives.ReadInt32BigEndian(answer.Bytes.AsSpan(at)) : answer.Bytes.Length - at;
        at += hasSessions ? 4 : 0;
        text += $" parameters {Parameters(command, answer.Bytes.AsSpan(at, length), uncompared, ideal)}";
        return hasSessions ? text + Sessions(answer.Bytes.AsSpan(at + length)) : text;
    }

    private static string Parameters(
        uint command, ReadOnlySpan<byte> bytes, IReadOnlyList<uint> uncompared, Func<uint, uint> ideal) =>
            command switch
            {
                Cmd.GetRandomCode or 0x176 => $"{bytes.Length} random",
                Cmd.ContextSaveCode => Context(BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]), bytes[12..16], ideal),
                0x17A when bytes[4] == 1 => HandleList(bytes, ideal),
                0x17A when bytes[4] == 6 => PropertyList(bytes, uncompared),
                0x181 => Convert.ToHexString(bytes[16..]),
                _ => Convert.ToHexString(bytes),
            };

    /// <summary>A session's savedHandle is its handle, an object's says what kind of object it is.</summary>
    private static string Context(uint savedHandle, ReadOnlySpan<byte> hierarchy, Func<uint, uint> ideal) =>
        $"{(Handles.IsSession(savedHandle) ? ideal(savedHandle) : savedHandle):X} {Convert.ToHexString(hierarchy)}";

    /// <summary>Sorted by the ideal side's numbers: those of the manager's sessions have another order.</summary>
    private static string HandleList(ReadOnlySpan<byte> bytes, Func<uint, uint> ideal)
    {
        var handles = new List<uint>();
        for (int at = 9; at < bytes.Length; at += 4)
        {
            handles.Add(ideal(BinaryPrimitives.ReadUInt32BigEndian(bytes[at..])));
        }

        bool isOfSessions = handles.Count > 0 && Handles.IsSession(handles[0]);
        return isOfSessions && bytes[0] != 0
            ? $"more, {handles.Count} sessions"
            : $"more {bytes[0]} {string.Join(' ', handles.Order().Select(h => $"{h:X}"))}";
    }

    private static string PropertyList(ReadOnlySpan<byte> bytes, IReadOnlyList<uint> uncompared)
    {
        string text = $"more {bytes[0]}";
        for (int at = 9; at < bytes.Length; at += 8)
        {
            uint property = BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
            text += uncompared.Contains(property)
                ? $" {property:X}=?" : $" {property:X}={BinaryPrimitives.ReadUInt32BigEndian(bytes[(at + 4)..]):X}";
        }

        return text;
    }

    /// <summary>Sizes of nonces and HMACs, and the attributes.</summary>
    private static string Sessions(ReadOnlySpan<byte> bytes)
    {
        string text = string.Empty;
        while (!bytes.IsEmpty)
        {
            ushort nonce = BinaryPrimitives.ReadUInt16BigEndian(bytes);
            ushort hmac = BinaryPrimitives.ReadUInt16BigEndian(bytes[(3 + nonce)..]);
            text += $" session nonce {nonce} attributes {bytes[2 + nonce]:X2} hmac {hmac}";
            bytes = bytes[(5 + nonce + hmac)..];
        }

        return text;
    }
}
