using System.Text.Json.Serialization;

namespace TpmFs.Clients;

/// <summary>
/// Names the client that began a conversation, and the node that it came by, even if another client uses the
/// conversation later.
/// </summary>
/// <param name="Id">The number by which control files name it.</param>
/// <param name="Domain">The domain's place in the tree; the root's is empty.</param>
/// <param name="Node">The node that it goes by.</param>
/// <param name="BegunAt">The time of the open, as <see cref="TimeProvider.GetTimestamp"/> counts.</param>
internal sealed record ConversationIdentity(ulong Id, Client Client, string Domain, TpmNodeAddress Node, long BegunAt)
{
    /// <summary>Gets the owner of the domain's directory at that time.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public uint Owner { get; init; }

    /// <summary>Gets what a person calls the domain.</summary>
    public string DomainName => Domain.Length == 0 ? "root" : Domain;

    /// <summary>
    /// Gets the domain to whose share of what all domains have the conversation counts; null for the root, each of
    /// whose users counts as a domain.
    /// </summary>
    [JsonIgnore]
    public string? Account => Domain.Length == 0 ? null : Domain;

    /// <summary>Gets the node's place in the tree.</summary>
    public string Path => Domain.Length == 0 ? Node.Name : $"{Domain}/{Node.Name}";
}

/// <summary>The process that asks for something, as the door knows it at that moment.</summary>
/// <param name="Pid">The process, or one of its threads.</param>
internal readonly record struct Caller(uint Uid, uint Gid, uint Pid)
{
    /// <summary>Gets the door that the caller comes by.</summary>
    public DoorKind Door { get; init; }
}

/// <summary>The kinds of doors.</summary>
internal enum DoorKind
{
    /// <summary>A node of the tree.</summary>
    File,

    /// <summary>A character device.</summary>
    Device,

    /// <summary>A socket that a call on D-Bus gave out.</summary>
    Dbus,
}

/// <summary>A process that has a conversation.</summary>
/// <param name="Pid">The process; the thread where the process cannot be told.</param>
/// <param name="Command">The process's name as the kernel has it, printable and without blanks.</param>
internal sealed record Client(uint Uid, uint Pid, string Command)
{
    /// <summary>Gets the user whose share it uses.</summary>
    public uint Payer { get; init; } = Uid;

    /// <summary>Gets the door that it came by.</summary>
    public DoorKind Door { get; init; }

    /// <summary>Gets what tells it from later processes of that id: <see cref="ProcessCalls.SerialOf"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ulong Serial { get; init; }

    /// <summary>Returns the process of a caller, with its name.</summary>
    public static Client Of(in Caller caller, uint payer)
    {
        (uint pid, string command) = ProcessName.OfThread(caller.Pid);
        return new Client(caller.Uid, pid, command)
        {
            Payer = payer,
            Door = caller.Door,
            Serial = ProcessCalls.SerialOf(pid),
        };
    }
}

/// <summary>The node of a domain by which a client reaches a TPM.</summary>
/// <param name="Name">The node's place in its domain, such as locality/1/rm0.</param>
/// <param name="Tpm">The TPM's number.</param>
/// <param name="Locality">The locality of commands, unless the client sets another.</param>
/// <param name="IsRaw">True when it leads to the TPM itself, without a handle space for each conversation.</param>
internal sealed record TpmNodeAddress(string Name, int Tpm, byte Locality, bool IsRaw);
