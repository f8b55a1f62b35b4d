namespace TpmFs.Rm.Channel;

/// <summary>Describes a client's command that is to be sent.</summary>
internal readonly ref struct ClientCommand
{
    /// <summary>The client's space.</summary>
    public required SpaceId Space { get; init; }

    /// <summary>Gets the command's number in its space, counted from 1.</summary>
    public required long Number { get; init; }

    /// <summary>The command as the client wrote it.</summary>
    public required ReadOnlySpan<byte> Written { get; init; }

    /// <summary>Gets the command's locality, 0 to 4.</summary>
    public required byte Locality { get; init; }

    /// <summary>
    /// Gets the time limit of the command, if <see cref="ResourceManagerOptions.CommandTimeout"/> is not shorter.
    /// </summary>
    public required TimeSpan Limit { get; init; }
}
