using System.Globalization;
using System.Text;
using TpmFs.Mirror;

namespace TpmFs.TestSupport;

/// <summary>
/// Keeps a memory as a text: a line for each number that a test needs beside it, and one for each 32 bytes that are not
/// all zero.
/// </summary>
/// <param name="Bytes">The whole memory.</param>
/// <param name="Numbers">Further facts, such as the number of an open file.</param>
public sealed record RecordedMemory(byte[] Bytes, IReadOnlyDictionary<string, ulong> Numbers)
{
    private const int LineLength = 32;
    private const char NumberSign = '=';
    private const char BytesSign = ':';

    /// <summary>The name of the environment variable that has memories recorded, and not compared.</summary>
    public const string Switch = "TPMFS_RECORD";

    /// <summary>Writes this memory to a path of the repository when <see cref="Switch"/> is set.</summary>
    public void RecordWhenAsked(string path)
    {
        if (Environment.GetEnvironmentVariable(Switch) is { Length: > 0 })
        {
            File.WriteAllText(FullPath(path), Text());
        }
    }

    /// <summary>
    /// Returns a line for each record in the memory, so that two memories can be compared wherever in them the records
    /// are.
    /// </summary>
    /// <param name="format">The format of the records.</param>
    public string Records(uint format)
    {
        byte[] copy = [.. Bytes];
        return RecordStore.TryAdopt(copy, format, out RecordStore? store, out string problem)
            ? string.Join('\n', store.Records.Select(record =>
                $"kind {record.Kind}, id {record.Id}: {Convert.ToHexStringLower(store.Read(record.Place))}").Order())
            : throw new InvalidDataException(problem);
    }

    /// <summary>Loads a recorded memory.</summary>
    /// <param name="path">In the repository.</param>
    public static RecordedMemory Load(string path)
    {
        string[] lines = File.ReadAllLines(FullPath(path));
        var numbers = lines.Where(line => line.Contains(NumberSign))
            .Select(line => line.Split(NumberSign))
            .ToDictionary(parts => parts[0], parts => ulong.Parse(parts[1], CultureInfo.InvariantCulture));
        numbers.Remove("length", out ulong length);
        byte[] bytes = new byte[length];
        foreach (string[] parts in lines.Where(line => line.Contains(BytesSign)).Select(line => line.Split(BytesSign)))
        {
            int offset = int.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            Convert.FromHexString(parts[1]).CopyTo(bytes, offset);
        }

        return new RecordedMemory(bytes, numbers);
    }

    private string Text()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"length={Bytes.Length}\n");
        foreach ((string name, ulong number) in Numbers)
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}={number}\n");
        }

        for (int offset = 0; offset < Bytes.Length; offset += LineLength)
        {
            ReadOnlySpan<byte> line = Bytes.AsSpan(offset, Math.Min(LineLength, Bytes.Length - offset));
            if (line.ContainsAnyExcept((byte)0))
            {
                text.Append(CultureInfo.InvariantCulture, $"{offset:x6}:{Convert.ToHexStringLower(line)}\n");
            }
        }

        return text.ToString();
    }

    private static string FullPath(string path) => Path.Combine(Repository.Folder, path);
}
