using System.Buffers.Binary;
using System.Text;
using TpmFs.Fuse;
using TpmFs.Fuse.Wire;
using TpmFs.Records;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// A daemon is killed at each of its steps in turn, and sometimes the next one is killed while it takes over. Processes
/// notice nothing: each request has one right answer, no command is executed twice, and nothing is left in the end.
/// </summary>
public sealed class KilledDaemonTests
{
    private const PollEvents Readable = PollEvents.In | PollEvents.ReadNormal;
    private const PollEvents Writable = PollEvents.Out | PollEvents.WriteNormal;

    [Fact]
    public void A_command_is_executed_once_and_its_response_is_read_once() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        for (int i = 1; i <= 3; i++)
        {
            Assert.Equal(Errno.None, file.Write(Client.Command(i)));
            daemon.RunTpm();
            AssertResponse(file.Read().Body, i, number: i);
            Assert.Empty(file.Read().Body);
        }

        Assert.Equal(3, daemon.Tpm.Executed);
        file.Close();
    });

    [Fact]
    public void A_response_is_read_in_parts() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        daemon.RunTpm();

        byte[] read = [.. file.Read(10).Body, .. file.Read(20).Body, .. file.Read().Body];

        AssertResponse(read, 1, number: 1);
        Assert.Empty(file.Read().Body);
        file.Close();
    });

    [Fact]
    public void What_is_left_of_a_response_is_dropped_by_the_next_command() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        daemon.RunTpm();
        Assert.Equal(Errno.EBUSY, file.Write(Client.Command(7)));
        file.Read(10);

        Assert.Equal(Errno.None, file.Write(Client.Command(2)));
        Assert.Equal(Errno.EBUSY, file.Write(Client.Command(7)));
        Assert.Equal(Errno.EINVAL, client.Open("rm0").Write([1, 2, 3]));

        daemon.RunTpm();
        AssertResponse(file.Read().Body, 2, number: 2);
        Assert.Equal(2, daemon.Tpm.Executed);
    }, leavesOpeners: true);

    [Fact]
    public void A_read_that_waits_is_answered_and_a_stale_one_does_not_take_the_next_response() =>
        AtEachStep((daemon, client) =>
        {
            OpenedFile file = client.Open("rm0");
            file.Write(Client.Command(1));
            ulong first = file.BeginRead();
            ulong stale = file.BeginRead();
            Assert.Null(daemon.AnswerOf(first));

            daemon.RunTpm();

            AssertResponse(daemon.AnswerOf(first)!.Body, 1, number: 1);
            Assert.Empty(daemon.AnswerOf(stale)!.Body);
            file.Write(Client.Command(2));
            ulong second = file.BeginRead();
            daemon.RunTpm();
            AssertResponse(daemon.AnswerOf(second)!.Body, 2, number: 2);
            file.Close();
        });

    [Fact]
    public void Reads_that_wait_share_a_response_in_their_order() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        ulong[] reads = [file.BeginRead(10), file.BeginRead(10), file.BeginRead(4096), file.BeginRead(10)];

        daemon.RunTpm();

        AssertResponse([.. reads.SelectMany(read => daemon.AnswerOf(read)!.Body)], 1, number: 1);
        Assert.Equal([10, 10, 44, 0], reads.Select(read => daemon.AnswerOf(read)!.Body.Length));
        file.Close();
    });

    [Fact]
    public void A_read_that_does_not_wait_gets_no_response_that_belongs_to_a_later_one() =>
        AtEachStep((daemon, client) =>
        {
            OpenedFile file = client.Open("rm0");
            Assert.Empty(file.ReadNow().Body);
            file.Write(Client.Command(1));
            Assert.Equal(Errno.EAGAIN, file.ReadNow().Error);
            daemon.RunTpm();
            AssertResponse(file.ReadNow().Body, 1, number: 1);
            Assert.Empty(file.ReadNow().Body);
            file.Close();
        });

    [Fact]
    public void Who_polls_is_woken() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        Assert.Equal(Writable, file.Poll());
        file.Write(Client.Command(1));
        Assert.Equal(Writable, PollUntilQuiet(daemon, file));

        daemon.RunTpm();

        Assert.True(daemon.WasWoken(file.PollTable));
        Assert.Equal(Readable, file.Poll());
        AssertResponse(file.Read().Body, 1, number: 1);
        Assert.Equal(Writable, file.Poll());
        file.Close();
    });

    [Fact]
    public void An_interrupt_ends_a_read_and_its_response_is_for_the_next() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        ulong read = file.BeginRead();

        file.Interrupt(read);

        Assert.Equal(Errno.EINTR, daemon.AnswerOf(read)!.Error);
        daemon.RunTpm();
        AssertResponse(file.Read().Body, 1, number: 1);
        file.Close();
    });

    [Fact]
    public void A_file_that_is_closed_during_its_command_leaves_nothing() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        file.Close();
        daemon.RunTpm();
        Assert.True(daemon.Tpm.Executed <= 1);
    });

    [Fact]
    public void A_revoked_opener_stays_revoked() => AtEachStep((daemon, client) =>
    {
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        ulong read = file.BeginRead();
        string id = client.Show("openers").Split(' ')[0];

        Assert.Equal(Errno.None, client.Order("revoke", id));

        Assert.Equal(Errno.ENODEV, daemon.AnswerOf(read)!.Error);
        Assert.Equal(Errno.ENODEV, file.Read().Error);
        Assert.Equal(Errno.ENODEV, file.Write(Client.Command(2)));
        Assert.Equal(PollEvents.Err | PollEvents.Hup, file.Poll());
        Assert.Contains("revoked 1\n", client.Show("stat"), StringComparison.Ordinal);
        file.Close();
    });

    [Fact]
    public void A_domain_that_is_made_and_removed_takes_its_openers_with_it() => AtEachStep([], daemon =>
    {
        var client = new Client(daemon);
        Assert.Equal(Errno.None, client.MakeDirectory("domains", "web"));
        OpenedFile file = client.Open("domains/web/rm0");
        ulong node = client.Find("domains/web/rm0");
        file.Write(Client.Command(1));
        ulong read = file.BeginRead();

        Assert.Equal(Errno.None, client.RemoveDirectory("domains", "web"));

        Assert.Equal(Errno.ENODEV, daemon.AnswerOf(read)!.Error);
        Assert.Equal(Errno.ENODEV, file.Write(Client.Command(2)));
        Assert.Equal(Errno.ENOENT, client.TryFind("domains/web", out _));
        Assert.Equal(Errno.None, client.MakeDirectory("domains", "web"));
        Assert.Equal(
            Errno.ENODEV,
            daemon.Do(FuseOpcode.Open, node, KilledDaemon.Bytes(new FuseOpenIn(2, 0))).Error);
        file.Close();
    });

    [Fact]
    public void Orders_are_carried_out_once() => AtEachStep([], daemon =>
    {
        var client = new Client(daemon);
        client.MakeDirectory("domains", "web");
        Assert.Equal(Errno.None, client.Order("domains/web/objects.max", "7"));
        Assert.Equal(Errno.EINVAL, client.Order("domains/web/objects.max", "x"));
        OpenedFile deny = client.Open("domains/web/commands.deny");
        Assert.Equal(Errno.None, deny.Write("TPM2_Clear\n"u8.ToArray()));
        Assert.Equal(Errno.None, deny.Write("TPM2_Create\n"u8.ToArray()));
        deny.Close();

        Assert.Equal("7\n", client.Show("domains/web/objects.max"));
        Assert.Equal("TPM2_Clear\nTPM2_Create\n", client.Show("domains/web/commands.deny"));
    });

    [Fact]
    public void A_name_leads_to_the_number_that_the_kernel_has_and_attributes_stay() => AtEachStep([], daemon =>
    {
        var client = new Client(daemon);
        ulong domains = client.Find("domains");
        ulong file = client.Find("rm0");
        daemon.Do(FuseOpcode.SetAttr, file, KilledDaemon.Bytes(new FuseSetAttrIn(
            FuseSetAttrValid.Mode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1B6, 0, 0, 0, 0)));

        Assert.Equal(domains, client.Find("domains"));
        FuseAttr shown = Attributes(file);
        Assert.Equal(0x81B6u, shown.Mode);
        Assert.Equal(shown.Ino, Attributes(client.Find("rm0")).Ino);
        daemon.Send(FuseOpcode.Forget, file, KilledDaemon.Bytes(new FuseForgetIn(1)));

        FuseAttr Attributes(ulong node) =>
            daemon.Do(FuseOpcode.GetAttr, node, KilledDaemon.Bytes(new FuseGetAttrIn(0, 0, 0)))
                .As<FuseAttrOut>().Attr;
    });

    /// <summary>A client of a daemon whose records cannot be read must not reach another client's file.</summary>
    [Fact]
    public void Numbers_are_those_of_no_earlier_daemon_whose_records_are_lost()
    {
        ulong last = 0;
        for (int i = 0; i < 20; i++)
        {
            using var daemon = new KilledDaemon([]);
            var client = new Client(daemon);
            ulong file = client.TryOpen("rm0", out ulong node).As<FuseOpenOut>().Fh;

            Assert.InRange(Math.Min(file, node), last + 1, ulong.MaxValue);
            last = Math.Max(file, node);
            Assert.Equal(Errno.ENODEV, new OpenedFile(daemon.Mount, node, file - 1).Read().Error);
            Assert.Equal(Errno.ENODEV, new OpenedFile(daemon.Mount, node, file - 1).Write(Client.Command(1)));
            Assert.Equal(PollEvents.Err | PollEvents.Hup, new OpenedFile(daemon.Mount, node, file - 1).Poll());
        }
    }

    [Fact]
    public void A_second_kill_while_the_next_daemon_takes_over_loses_nothing()
    {
        var random = new Random(14);
        for (int i = 0; i < 300; i++)
        {
            int[] deaths = [random.Next(40, 260), random.Next(1, 40), random.Next(1, 60), random.Next(1, 100)];
            bool byDevice = random.Next(2) == 0;
            using var daemon = new KilledDaemon(byDevice ? Client.Devices : [], deaths);
            try
            {
                Several(daemon, new Client(daemon, byDevice));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Deaths after {string.Join(", ", deaths)} steps: {e.Message}", e);
            }
        }
    }

    private static void Several(KilledDaemon daemon, Client client)
    {
        OpenedFile one = client.Open("rm0");
        OpenedFile other = client.Open("rm0");
        one.Write(Client.Command(1));
        other.Write(Client.Command(2));
        ulong first = one.BeginRead(10);
        ulong second = one.BeginRead();
        PollUntilQuiet(daemon, other);
        daemon.RunTpm();
        Assert.True(daemon.WasWoken(other.PollTable));
        AssertResponse([.. daemon.AnswerOf(first)!.Body, .. daemon.AnswerOf(second)!.Body], 1, number: 1);
        AssertResponse(other.Read().Body, 2, number: 1);
        Assert.Empty(one.Read().Body);
        Assert.Equal(2, daemon.Tpm.Executed);
        one.Close();
        other.Close();
        Assert.Equal(0, daemon.Tpm.Open);
        Assert.Empty(daemon.Errors);
    }

    /// <summary>Polls as the kernel does: again whenever it is woken.</summary>
    private static PollEvents PollUntilQuiet(KilledDaemon daemon, OpenedFile file)
    {
        PollEvents ready;
        do
        {
            ready = file.Poll();
        }
        while (daemon.WasWoken(file.PollTable));
        return ready;
    }

    /// <summary>
    /// Runs a scene by the mount and by a device, each time with a daemon that is never killed, and then with one that
    /// is killed at each of its steps.
    /// </summary>
    private static void AtEachStep(Action<KilledDaemon, Client> scene, bool leavesOpeners = false)
    {
        AtEachStep([], daemon => scene(daemon, new Client(daemon)), leavesOpeners);
        AtEachStep(Client.Devices, daemon => scene(daemon, new Client(daemon, byDevice: true)), leavesOpeners);
    }

    private static void AtEachStep(string[] devices, Action<KilledDaemon> scene, bool leavesOpeners = false)
    {
        for (int step = 0, deaths = 1; deaths > 0 || step == 1; step++)
        {
            using var daemon = new KilledDaemon(devices, step == 0 ? [] : [step]);
            try
            {
                scene(daemon);
                Assert.Empty(daemon.Errors);
                AssertNothingIsLeft(daemon, leavesOpeners);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(
                    $"Killed at step {step}, {devices.Length} kinds of devices: {e}", e);
            }

            deaths = daemon.Deaths;
        }
    }

    private static void AssertNothingIsLeft(KilledDaemon daemon, bool leavesOpeners)
    {
        if (!leavesOpeners)
        {
            Assert.Equal(0, daemon.Tpm.Open);
            Assert.Equal(-1, daemon.Memory.IndexOf(Client.Secret));
        }
    }

    private static void AssertResponse(byte[] response, int command, int number)
    {
        Assert.Equal(64, response.Length);
        Assert.Equal(command, BinaryPrimitives.ReadInt32BigEndian(response.AsSpan(10)));
        Assert.Equal(number, BinaryPrimitives.ReadInt64BigEndian(response.AsSpan(40)));
    }
}
