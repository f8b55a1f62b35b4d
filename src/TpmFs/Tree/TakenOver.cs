using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Records;

namespace TpmFs.Tree;

/// <summary>The openers that a tree took over from an earlier daemon that served the same mount.</summary>
/// <param name="Openers">The number of openers that go on.</param>
/// <param name="Commands">The number of them that have a command under way.</param>
/// <param name="Answers">The number of them that have an answer that is not read to its end.</param>
/// <param name="OtherFiles">The number of open files of other kinds, such as status, that were opened again.</param>
/// <param name="Numbers">The number of node numbers that the kernel holds.</param>
/// <param name="Lost">A sentence for each thing that did not go on, with the reason.</param>
internal sealed record TakenOver(
    int Openers, int Commands, int Answers, int OtherFiles, int Numbers, IReadOnlyList<string> Lost)
{
    /// <summary>Gets the report of a tree that had no daemon before it.</summary>
    public static TakenOver Nothing { get; } = new(0, 0, 0, 0, 0, []);
}

/// <summary>Takes over the openers of an earlier daemon.</summary>
/// <param name="context">The parts that all conversations share, with the earlier daemon's records.</param>
/// <param name="tpms">The TPMs by their numbers.</param>
/// <param name="domains">Every domain.</param>
/// <param name="door">The door beside the mount; null where there is none.</param>
internal sealed class Takeover(
    ConversationContext context, IReadOnlyList<TpmPort> tpms, IEnumerable<Domain> domains, ILastingDoor? door)
{
    private readonly Dictionary<string, Domain> _domains = domains.ToDictionary(domain => domain.Path);
    private readonly List<LostOpener> _lost = [];
    private readonly HashSet<ulong> _withoutDoor = []; // conversations
    private int _openers;
    private int _commands;
    private int _answers;

    /// <summary>Takes over everything. The tree is complete, and no client uses it yet.</summary>
    public TakenOver Run(NodeTable table, TreeFileSystem fileSystem)
    {
        if (context.Records is not { } store)
        {
            door?.Resume(table.Opens, []);
            return TakenOver.Nothing;
        }

        int numbers = table.Resume();
        _withoutDoor.UnionWith(table.Opens.Earlier
            .Where(open => open.Connection != 0 && !(door?.GoesOn(open.Connection) ?? false))
            .Select(open => open.Conversation));
        Dictionary<ulong, Conversation> conversations = [];
        foreach (StoredRecord stored in store.Of(RecordKind.Conversation))
        {
            if (ConversationRecord.TryAdopt(store, stored, out SavedConversation? saved) is { } record)
            {
                conversations[stored.Id] = Resume(new EarlierConversation(record, saved!));
            }
        }

        (int others, int gone) = fileSystem.Resume(conversations);
        gone += door?.Resume(table.Opens, conversations) ?? 0;
        foreach (Conversation unopened in conversations.Values)
        {
            // Its client has not been told that it is open, or is gone.
            unopened.Close();
        }

        fileSystem.WhenResumed = context.Bytes.ReturnUnclaimed;
        string[] lost =
        [
            .. LostOpener.Describe(_lost),
            .. gone > 0
                ? [$"open files that lead nowhere any more, and whose users get ENODEV: {gone}"]
                : Array.Empty<string>(),
        ];
        return new TakenOver(_openers, _commands, _answers, others, numbers, lost);
    }

    private Conversation Resume(EarlierConversation earlier)
    {
        ConversationIdentity who = earlier.Saved.Identity;
        TpmPort? tpm = who.Node.Tpm >= 0 && who.Node.Tpm < tpms.Count ? tpms[who.Node.Tpm] : null;
        string reason = !_domains.TryGetValue(who.Domain, out Domain? domain) ? "its domain is not there any more"
            : who.Client.Door == DoorKind.Dbus ? "it came by a door that does not outlive the daemon"
            : _withoutDoor.Contains(who.Id) ? "its device is not there any more"
            : tpm is null ? $"TPM {who.Node.Tpm} is not configured any more"
            : tpm.Reopen is null ? "what the TPM held for it is not known"
            : "";
        if (reason.Length > 0)
        {
            _lost.Add(new LostOpener(who, reason));
            context.Places.Take(account: null, who.Client.Payer);
            return Conversation.Resume(
                context, earlier, maxCommandSize: int.MaxValue, reopenSpace: null, context.Places);
        }

        Conversation conversation = domain!.Resume(earlier, tpm!);
        ConversationState state = conversation.State;
        _openers += state == ConversationState.Ended ? 0 : 1;
        _commands += state == ConversationState.Running ? 1 : 0;
        _answers += state == ConversationState.Unread ? 1 : 0;
        return conversation;
    }
}
