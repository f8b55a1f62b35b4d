using TpmFs.Clients;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>
/// A TPM that is the test: it answers whom the test wants, with anything, before or after a client has gone.
/// </summary>
internal sealed class StandInTpm : ITpmUnderTest
{
    private readonly List<FakeSpace> _spaces = [];
    private readonly List<int> _answered = [];
    private readonly List<TpmAnswer> _answers = [];
    private readonly TimeProvider _time;
    private bool _hasRaw;
    private long _groups;

    public StandInTpm(TimeProvider time)
    {
        _time = time;
        Port = new TpmPort(
            0,
            (_, client) => Open(client),
            (_, client) => OpenRaw(client),
            () => new TpmFacts(TpmFamily.Tpm20, TpmFileFixture.MaxCommandSize, HighestLocality: 4, null),
            (name, limits) => new SchedulingGroup(new GroupId(++_groups), name, limits),
            _ => { });
    }

    public TpmPort Port { get; }

    public bool HasRaw => true;

    public IEnumerable<TpmAnswer> TakeAnswers()
    {
        TpmAnswer[] taken = [.. _answers];
        _answers.Clear();
        return taken;
    }

    public byte[] CommandOf(int number) => TpmFileFixture.Command(12 + number % 3);

    public string? WhatIsWrong(byte[] command, bool isCancelled, byte[]? response) => null;

    public void Answer(int client, int what)
    {
        FakeSpace space = _spaces[client];
        if (_answered[client] == space.Submitted.Count)
        {
            return;
        }

        _answered[client]++;
        if (what % 8 == 0)
        {
            space.Fail(SpaceFailure.TransportLost);
        }
        else
        {
            space.Answer([.. Enumerable.Range(what, what % 13).Select(value => (byte)value)]);
        }
    }

    public void AnswerAll()
    {
        for (int client = 0; client < _spaces.Count; client++)
        {
            Answer(client, 5 + client);
        }
    }

    public string? WhatIsWrong(int client, bool hasEnded) =>
        _spaces[client].Closed == (hasEnded ? 1 : 0) ? null : $"its space was closed {_spaces[client].Closed} times";

    public void Dispose()
    {
    }

    private FakeSpace? OpenRaw(ISpaceClient client)
    {
        if (_hasRaw)
        {
            return null;
        }

        _hasRaw = true;
        FakeSpace space = Open(client);
        space.OnClose = () => _hasRaw = false;
        return space;
    }

    private FakeSpace Open(ISpaceClient client)
    {
        _answered.Add(0);
        _spaces.Add(new FakeSpace(new AnswerTap(client, _spaces.Count, _time, _answers)));
        return _spaces[^1];
    }
}
