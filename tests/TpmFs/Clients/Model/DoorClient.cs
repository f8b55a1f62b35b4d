using TpmFs.Clients;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>A client: its conversation and door, and what both should be.</summary>
internal sealed class DoorClient(ModelClient model, Conversation conversation, IClientDoor door)
{
    private readonly List<(ModelRead Model, IClientRead Real)> _reads = [];
    private readonly ModelPolls _polls = new();

    public ModelClient Model => model;

    public Conversation Conversation => conversation;

    public IClientDoor Door => door;

    public void Read(int size, bool blocks)
    {
        var read = new ModelRead(size);
        model.Read(read, blocks);
        _reads.Add((read, door.Read(size, blocks)));
    }

    public void Interrupt(int which)
    {
        if (model.Interrupt(which) is { } interrupted)
        {
            _reads.Find(read => read.Model == interrupted).Real.Interrupt();
        }
    }

    public void Poll(Readiness wanted)
    {
        Look();
        _polls.Add(wanted);
        door.Poll(wanted);
    }

    /// <summary>Notes what is ready after a change.</summary>
    public void Look() => _polls.Look(model.Ready);

    /// <summary>Compares; null when nothing differs.</summary>
    public string? WhatIsWrong()
    {
        Look();
        ConversationActivity activity = conversation.Activity;
        string? wrong =
            activity.State != model.State ? $"its activity is {activity.State}, not {model.State}"
            : activity.UnreadBytes != model.UnreadBytes ? $"{activity.UnreadBytes} bytes are unread"
            : activity.WaitingReads != model.Waiting ? $"{activity.WaitingReads} reads wait, not {model.Waiting}"
            : conversation.IsClosed != model.IsClosed ? $"that it is closed is {conversation.IsClosed}"
            : door.Woken is { } woken && woken != _polls.Woken ? $"{woken} polls were told, not {_polls.Woken}"
            : door.Ready != model.Ready ? $"{door.Ready} is ready, not {model.Ready}"
            : _reads.Select(read => WhatIsWrong(read.Model, read.Real)).FirstOrDefault(wrong => wrong is not null);
        _reads.RemoveAll(read => read.Model.Result is not null);
        return wrong;
    }

    private static string? WhatIsWrong(ModelRead due, IClientRead read)
    {
        if (due.Result is not { } result || !read.IsAnswered)
        {
            return due.Result is null == !read.IsAnswered ? null : $"a read of {due.Size} bytes waits, or does not";
        }

        return read.Result.Error == result.Error && read.Result.Data.AsSpan().SequenceEqual(result.Data) ? null
            : $"a read of {due.Size} bytes got {Show(read.Result)}, not {Show(result)}";
    }

    private static string Show((byte[] Data, Errno Error) result) =>
        result.Error.IsError ? result.Error.Text() : $"'{Convert.ToHexString(result.Data)}'";
}
