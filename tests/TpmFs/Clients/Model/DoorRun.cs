using TpmFs.Clients;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Policy;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>
/// Leads several conversations of one domain through a run of actions, each by a door, and compares them with the model
/// after each step.
/// </summary>
internal sealed class DoorRun : IDisposable
{
    private const int MostClients = 12;
    private static readonly int[] s_sizes = [0, 1, 3, 12, 4096];
    private static readonly int[] s_seconds = [1, 59, 119, 120, 300];

    private readonly ManualTime _time = new();
    private readonly ConversationContext _context;
    private readonly ITpmUnderTest _tpm;
    private readonly Func<Conversation, IClientDoor> _doorOf;
    private readonly Domain _domain;
    private readonly ModelDomain _model = new();
    private readonly List<DoorClient> _clients = [];
    private int _commands;

    /// <param name="tpmOf">Makes the TPM, which goes by a clock.</param>
    /// <param name="doorOf">Makes the door of a conversation that has just begun.</param>
    public DoorRun(Func<TimeProvider, ITpmUnderTest> tpmOf, Func<Conversation, IClientDoor> doorOf)
    {
        _context = new ConversationContext(_time, Serilog.Core.Logger.None);
        _tpm = tpmOf(_time);
        _doorOf = doorOf;
        _domain = new Domain(
            "", Limits.OfRoot with { OpenersMax = ModelDomain.FirstLimit }, new NoStore(), isShared: true,
            uid => new DomainRelation(uid == 0 ? Standing.Administrator : Standing.User, Owner: 0), _context);
    }

    /// <summary>Gets the first difference, and the action before it; null while there is none.</summary>
    public string? Difference { get; private set; }

    public bool Run(IEnumerable<DoorAction> actions)
    {
        foreach (DoorAction action in actions)
        {
            string? wrong = Do(action) ?? TakeAnswers() ?? Compare();
            if (wrong is not null)
            {
                Difference = $"{action}: {wrong}";
                return false;
            }
        }

        return true;
    }

    public void Dispose()
    {
        _tpm.Dispose();
        _context.Dispose();
    }

    private string? Do(DoorAction action)
    {
        DoorClient? client = _clients.Count == 0 ? null : _clients[action.Client % _clients.Count];
        switch (action.Kind)
        {
            case DoorActionKind.Open:
                return Open((uint)(action.What % 4), isRaw: _tpm.HasRaw && action.What % 16 == 7);
            case DoorActionKind.AnswerAll:
                _tpm.AnswerAll();
                return null;
            case DoorActionKind.Limit:
                _model.Limit = action.What % 10;
                _domain.Change(limits => limits with { OpenersMax = _model.Limit });
                return null;
            case DoorActionKind.Advance:
                _time.Advance(TimeSpan.FromSeconds(s_seconds[action.What % s_seconds.Length]));
                string? wrong = TakeAnswers(); // the resource manager answers some commands by a timer
                _clients.ForEach(each => each.Model.TimePasses());
                return wrong;
            case DoorActionKind.End:
                _model.IsGone = true;
                _clients.ForEach(each => each.Model.End());
                _domain.End(_ => { });
                return null;
            default:
                return client is null ? null : Do(action, client);
        }
    }

    private string? Do(DoorAction action, DoorClient client)
    {
        bool isThere = !client.Model.IsClosed;
        switch (action.Kind)
        {
            case DoorActionKind.Write when isThere:
                return Write(client, action.What);
            case DoorActionKind.Read when isThere:
                client.Read(s_sizes[action.What % s_sizes.Length], blocks: action.What % 3 > 0);
                return null;
            case DoorActionKind.Interrupt when isThere:
                client.Interrupt(action.What);
                return null;
            case DoorActionKind.Poll when isThere:
                client.Poll(action.What % 2 == 0 ? Readiness.Readable : Readiness.Writable);
                return null;
            case DoorActionKind.Close when isThere:
                client.Model.Close();
                client.Door.Close();
                return null;
            case DoorActionKind.Answer:
                _tpm.Answer(_clients.IndexOf(client), action.What);
                return null;
            case DoorActionKind.Cancel when Find(client) is { } found:
                client.Model.Cancel();
                found.Cancel();
                return null;
            case DoorActionKind.Revoke when Find(client) is { } found:
                client.Model.End();
                found.Revoke();
                return null;
            default:
                return null;
        }
    }

    private string? Open(uint uid, bool isRaw)
    {
        if (_clients.Count == MostClients && _clients.TrueForAll(client => !client.Model.IsClosed))
        {
            return null;
        }

        Errno expected = _model.Admits(uid, isRaw, _clients.Select(client => client.Model));
        bool isAdmitted = _domain.TryAdmit(
            new Caller(uid, uid, 1), _tpm.Port, new TpmNodeAddress(isRaw ? "raw0" : "rm0", 0, 0, isRaw),
            out Conversation? conversation, out Errno refusal);
        if (isAdmitted)
        {
            _clients.Add(
                new DoorClient(new ModelClient(uid, isRaw, _time), conversation!, _doorOf(conversation!)));
        }

        return refusal == expected && isAdmitted != refusal.IsError
            ? null : $"user {uid} should have got {expected}, and got {refusal}";
    }

    private string? Write(DoorClient client, int what)
    {
        byte[] whole = _tpm.CommandOf(_commands++);
        (byte[] data, bool isWhole) = (what % 8) switch
        {
            0 => (whole[..(what % 12)], false),
            1 => (new byte[TpmFileFixture.MaxCommandSize + 1], false),
            _ => (whole, true),
        };
        Errno expected = client.Model.Write(data, isWhole, TpmFileFixture.MaxCommandSize);
        Errno error = client.Door.Write(data);
        return error == expected ? null : $"the write should have given {expected}, and gave {error}";
    }

    private string? TakeAnswers()
    {
        foreach ((int number, byte[]? response, long at) in _tpm.TakeAnswers())
        {
            ModelClient model = _clients[number].Model;
            if (model.State == ConversationState.Running
                && _tpm.WhatIsWrong(model.Command, model.IsCancelled, response) is { } wrong)
            {
                return wrong;
            }

            model.Answer(response, at);
            _clients[number].Look();
        }

        return null;
    }

    private string? Compare()
    {
        Conversation[] open = [.. _clients.Where(client => client.Model.State != ConversationState.Ended)
            .Select(client => client.Conversation)];
        int revoked = _clients.Count(
            client => client.Model.State == ConversationState.Ended && !client.Model.IsClosed);
        return !open.SequenceEqual(_domain.Conversations) ? "the domain has other conversations"
            : _domain.CountRevoked(null) != revoked ? $"{_domain.CountRevoked(null)} are revoked, not {revoked}"
            : _clients.Select((client, number) => WhatIsWrong(client, number)).FirstOrDefault(wrong => wrong != null);
    }

    private string? WhatIsWrong(DoorClient client, int number) =>
        (client.WhatIsWrong() ?? _tpm.WhatIsWrong(number, client.Model.State == ConversationState.Ended)) is { } wrong
            ? $"client {number}: {wrong}" : null;

    private Conversation? Find(DoorClient client)
    {
        Conversation? found = _domain.Find(client.Conversation.Identity.Id);
        Assert.Equal(client.Model.State == ConversationState.Ended ? null : client.Conversation, found);
        return found;
    }

    private sealed class NoStore : ILimitStore
    {
        public Limits Find(string path) => Limits.Unsaid;

        public void Keep(string path, Limits changed)
        {
        }
    }
}
