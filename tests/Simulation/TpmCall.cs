namespace TpmFs.Simulation;

/// <summary>One command under way.</summary>
internal sealed class TpmCall
{
    private readonly uint[] _handles = new uint[3];
    private readonly TpmObject?[] _objects = new TpmObject?[3];

    public CommandDescriptor Command { get; private set; } = null!;

    public byte Locality { get; private set; }

    /// <summary>The command; stands at the parameters when the action begins.</summary>
    public CommandReader In { get; } = new();

    /// <summary>The response's parameters.</summary>
    public ByteWriter Out { get; } = new();

    public uint ResponseHandle { get; set; }

    /// <summary>Gets the place of the parameters, in bytes from the start of the command.</summary>
    public int ParametersAt { get; set; }

    public int ParametersLength { get; set; }

    public ReadOnlySpan<byte> Parameters => In.Slice(ParametersAt, ParametersLength);

    public void Begin(CommandDescriptor command, byte locality)
    {
        Command = command;
        Locality = locality;
        Out.Clear();
        ResponseHandle = 0;
        Array.Clear(_objects);
    }

    /// <summary>The n-th handle of the handle area, from 0.</summary>
    public uint Handle(int n) => _handles[n];

    public void SetHandle(int n, uint handle, TpmObject? item = null)
    {
        _handles[n] = handle;
        _objects[n] = item;
    }

    /// <summary>The object that the n-th handle names; null when it names none.</summary>
    public TpmObject? ObjectOrNull(int n) => _objects[n];

    public TpmObject Object(int n) => _objects[n]!;

    /// <summary>cpHash (Part 1, 16.7): command code, Names of the handles, parameters.</summary>
    public byte[] CpHash(ushort algorithm)
    {
        ByteWriter writer = new ByteWriter().U32(Command.Code);
        for (int i = 0; i < Command.HandleKinds.Length; i++)
        {
            WriteName(writer, i);
        }

        return Hashes.Digest(algorithm, writer.Bytes(Parameters).Written);
    }

    /// <summary>rpHash (Part 1, 16.8) of a success.</summary>
    public byte[] RpHash(ushort algorithm) =>
        Hashes.Digest(algorithm, new ByteWriter().U32(Rc.Success).U32(Command.Code).Bytes(Out.Written).Written);

    /// <summary>Returns the authorization value that a session which is bound to the n-th handle remembers.</summary>
    public byte[] BindingOf(int n, ReadOnlySpan<byte> auth)
    {
        var writer = new ByteWriter();
        WriteName(writer, n);
        return writer.Bytes(auth).ToArray();
    }

    private void WriteName(ByteWriter writer, int n)
    {
        if (_objects[n] is { } item)
        {
            writer.Bytes(item.Name);
        }
        else
        {
            writer.U32(_handles[n]);
        }
    }
}
