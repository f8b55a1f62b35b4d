using System.Buffers.Binary;
using System.Text;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>
/// A datagram of the journal's native protocol: lines NAME=value, or NAME, a length (64 bits, little-endian) and the
/// value.
/// </summary>
internal static class JournalEntry
{
    /// <summary>The fields in their order. Fails on anything that the journal would not take.</summary>
    public static IReadOnlyList<(string Name, string Value)> Parse(ReadOnlySpan<byte> datagram)
    {
        var fields = new List<(string, string)>();
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        while (!datagram.IsEmpty)
        {
            int line = datagram.IndexOf((byte)'\n');
            int equals = datagram[..line].IndexOf((byte)'=');
            if (equals >= 0)
            {
                fields.Add((Name(datagram[..equals]), strict.GetString(datagram[(equals + 1)..line])));
                datagram = datagram[(line + 1)..];
                continue;
            }

            string name = Name(datagram[..line]);
            datagram = datagram[(line + 1)..];
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(datagram);
            fields.Add((name, strict.GetString(datagram.Slice(sizeof(ulong), length))));
            datagram = datagram[(sizeof(ulong) + length)..];
            Assert.Equal((byte)'\n', datagram[0]);
            datagram = datagram[1..];
        }

        return fields;
    }

    private static string Name(ReadOnlySpan<byte> name)
    {
        string text = Encoding.ASCII.GetString(name);
        Assert.Matches("^[A-Z][A-Z0-9_]{0,63}$", text);
        return text;
    }
}
