namespace TpmFs.Simulation;

/// <summary>
/// Command audit (Part 1, 31): which commands are audited, and the digest of those that were executed.
/// </summary>
internal sealed class CommandAudit
{
    private readonly SortedSet<uint> _commands = [CommandTable.SetCommandCodeAuditStatus];
    private byte[] _digest = [];

    public IReadOnlyCollection<uint> Commands => _commands;

    public ushort Algorithm { get; set; } = Hashes.Sha256;

    public ulong Counter { get; private set; }

    public byte[] Digest => _digest;

    public bool Includes(uint command) => _commands.Contains(command);

    public void Set(uint command) => _commands.Add(command);

    public void Clear(uint command) => _commands.Remove(command);

    /// <summary>The digest of the commands that are audited, as GetCommandAuditDigest reports it.</summary>
    public byte[] CommandsDigest()
    {
        var writer = new ByteWriter();
        foreach (uint command in _commands)
        {
            writer.U32(command);
        }

        return Hashes.Digest(Algorithm, writer.Written);
    }

    public void Extend(ReadOnlySpan<byte> cpHash, ReadOnlySpan<byte> rpHash)
    {
        if (_digest.Length == 0)
        {
            _digest = new byte[Hashes.Size(Algorithm)];
            Counter++;
        }

        _digest = Hashes.Digest(Algorithm, new ByteWriter().Bytes(_digest).Bytes(cpHash).Bytes(rpHash).Written);
    }

    public void Restart() => _digest = [];

    /// <summary>TPM2_Clear sets the counter back.</summary>
    public void ClearCounter() => Counter = 0;

    public void Startup(StartupKind kind)
    {
        if (kind == StartupKind.Reset)
        {
            Restart();
        }
    }
}
