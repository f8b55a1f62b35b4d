using System.Buffers.Binary;
using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Fuse.Wire;
using TpmFs.Records;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// A daemon takes over what an earlier version recorded. The recordings are in the folder Recorded, whose README says
/// how to make the next one.
/// </summary>
public sealed class RecordedMountTests
{
    private const ulong FirstNumber = 1000;

    // No process can have these numbers, so that no process of the machine is named in the recording.
    private static readonly FuseCaller s_user = new(1003, 109, 4_200_001);
    private static readonly FuseCaller s_administrator = new(0, 0, 4_200_002);

    private static string Newest => RecordingOf(DoorRecords.Format);

    /// <summary>
    /// Fails when the records changed and <see cref="DoorRecords.Format"/> did not: a daemon of the version before
    /// writes what is recorded.
    /// </summary>
    [Fact]
    public void The_records_of_this_format_are_written_as_they_were_recorded()
    {
        using var daemon = KilledDaemon.WithNumbersAbove(FirstNumber);
        RecordedMemory now = Play(daemon);
        now.RecordWhenAsked(Newest);
        var recorded = RecordedMemory.Load(Newest);
        Assert.Equal(recorded.Records(DoorRecords.Format), now.Records(DoorRecords.Format));
    }

    [Fact]
    public void Openers_of_format_1_go_on()
    {
        var recorded = RecordedMemory.Load(RecordingOf(1));
        IReadOnlyDictionary<string, ulong> numbers = recorded.Numbers;
        using var daemon = KilledDaemon.After(recorded.Bytes, numbers["waiting.read"]);
        var client = new Client(daemon);

        Assert.Equal((4, 1, 1), (daemon.TakenOver.Openers, daemon.TakenOver.Commands, daemon.TakenOver.Answers));
        Assert.Equal(1, daemon.TakenOver.OtherFiles);
        Assert.Empty(daemon.TakenOver.Lost);
        Assert.Equal(4, daemon.Tpm.Open);
        Assert.Equal(numbers["web.node"], client.Find("domains/web"));
        Assert.Equal(Errno.None, daemon.Do(
            FuseOpcode.GetAttr, numbers["domain.node"], KilledDaemon.Bytes(new FuseGetAttrIn(0, 0, 0))).Error);
        Assert.Equal("7\n", client.Show("domains/web/objects.max"));
        Assert.Contains("4200001", client.Show("openers"), StringComparison.Ordinal);
        Assert.Contains("1003", client.Show("openers"), StringComparison.Ordinal);

        AssertEndOfResponse(OpenedFileOf("unread").Read().Body);
        Assert.Null(daemon.AnswerOf(numbers["waiting.read"]));
        daemon.RunTpm();
        byte[] response = daemon.AnswerOf(numbers["waiting.read"])!.Body;
        Assert.Equal(2, BinaryPrimitives.ReadInt32BigEndian(response.AsSpan(10)));
        Assert.Equal(1, BinaryPrimitives.ReadInt64BigEndian(response.AsSpan(40)));

        foreach (string name in (string[])["unread", "waiting", "domain", "polled", "status"])
        {
            OpenedFileOf(name).Close();
        }

        Assert.Equal(0, daemon.Tpm.Open);
        Assert.Empty(daemon.Errors);

        OpenedFile OpenedFileOf(string name) =>
            new(daemon.Mount, numbers[$"{name}.node"], numbers[$"{name}.file"]);
    }

    /// <summary>Does what is recorded.</summary>
    private static RecordedMemory Play(KilledDaemon daemon)
    {
        var client = new Client(daemon);
        Dictionary<string, ulong> numbers = [];
        Assert.Equal(Errno.None, client.MakeDirectory("domains", "web"));
        Assert.Equal(Errno.None, client.Order("domains/web/objects.max", "7"));
        numbers["web.node"] = client.Find("domains/web");
        OpenedFile unread = Open("unread", "rm0");
        OpenedFile waiting = Open("waiting", "rm0");
        Open("domain", "domains/web/rm0");
        Open("polled", "rm0").Poll();
        Open("status", "status");
        unread.Write(Client.Command(1));
        daemon.RunTpm();
        Assert.Equal(10, unread.Read(10).Body.Length);
        waiting.Write(Client.Command(2));
        numbers["waiting.read"] = waiting.BeginRead();
        return new RecordedMemory(daemon.Memory.ToArray(), numbers);

        OpenedFile Open(string name, string path)
        {
            ulong node = client.Find(path);
            FuseCaller caller = name == "unread" ? s_user : s_administrator;
            uint flags = path == "status" ? 0x8000u : 0x8002u;
            ulong file = daemon.Do(FuseOpcode.Open, node, KilledDaemon.Bytes(new FuseOpenIn(flags, 0)), caller)
                .As<FuseOpenOut>().Fh;
            (numbers[$"{name}.node"], numbers[$"{name}.file"]) = (node, file);
            return new OpenedFile(daemon.Mount, node, file);
        }
    }

    /// <summary>Asserts that these are the bytes from the tenth on of the response to the first command.</summary>
    private static void AssertEndOfResponse(byte[] end)
    {
        Assert.Equal(54, end.Length);
        Assert.Equal(1, BinaryPrimitives.ReadInt32BigEndian(end));
        Assert.Equal(Client.Secret, end.AsSpan(6, Client.Secret.Length));
        Assert.Equal(1, BinaryPrimitives.ReadInt64BigEndian(end.AsSpan(30)));
    }

    private static string RecordingOf(uint format) => $"tests/TpmFs/Takeover/Recorded/format-{format}.txt";
}
