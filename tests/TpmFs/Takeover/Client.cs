using System.Buffers.Binary;
using System.Text;
using TpmFs.Fuse;
using TpmFs.Fuse.Wire;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>Acts as processes that use a daemon's files: makes the requests that the kernel would make.</summary>
/// <param name="daemon">The daemon.</param>
/// <param name="byDevice">True to open the device of a node where the node itself is named.</param>
internal sealed class Client(KilledDaemon daemon, bool byDevice = false)
{
    /// <summary>Gets the devices that there have to be, for <see cref="KilledDaemon"/>.</summary>
    public static string[] Devices => ["tpmrmfs0=rm0", "tpmfs/*=domains/*/rm0"];

    private const uint ReadWrite = 0x8002;

    /// <summary>Gets a text that is in every command, and nowhere else.</summary>
    public static ReadOnlySpan<byte> Secret => "SeCrEt42"u8;

    /// <summary>A command with a number in it.</summary>
    public static byte[] Command(int number)
    {
        byte[] command = new byte[32];
        BinaryPrimitives.WriteUInt16BigEndian(command, 0x8001);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), command.Length);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(6), 0x17B);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(10), number);
        Secret.CopyTo(command.AsSpan(16));
        return command;
    }

    /// <summary>Looks a path up.</summary>
    public Errno TryFind(string path, out ulong node, FuseCaller? caller = null)
    {
        node = 1;
        foreach (string step in path.Split('/'))
        {
            KilledDaemon.Answer answer =
                daemon.Do(FuseOpcode.Lookup, node, Encoding.ASCII.GetBytes(step + "\0"), caller);
            if (answer.Error.IsError)
            {
                return answer.Error;
            }

            node = answer.As<FuseEntryOut>().NodeId;
        }

        return Errno.None;
    }

    public ulong Find(string path)
    {
        Assert.Equal(Errno.None, TryFind(path, out ulong node));
        return node;
    }

    public KilledDaemon.Answer TryOpen(string path, out ulong node)
    {
        node = Find(path);
        return daemon.Do(FuseOpcode.Open, node, KilledDaemon.Bytes(new FuseOpenIn(ReadWrite, 0)));
    }

    public OpenedFile Open(string path)
    {
        if (byDevice && path.EndsWith("rm0", StringComparison.Ordinal))
        {
            string name = path == "rm0" ? "tpmrmfs0" : $"tpmfs/{path.Split('/')[1]}";
            return OpenDevice(daemon.DeviceOf(name)!);
        }

        ulong file = TryOpen(path, out ulong node).As<FuseOpenOut>().Fh;
        return new OpenedFile(daemon.Mount, node, file);
    }

    public static OpenedFile OpenDevice(KernelConnection device)
    {
        KilledDaemon.Answer answer =
            device.Do(FuseOpcode.Open, 0, KilledDaemon.Bytes(new FuseOpenIn(ReadWrite, 0)));
        return new OpenedFile(device, node: 0, answer.As<FuseOpenOut>().Fh);
    }

    /// <summary>Writes one order to a control file.</summary>
    public Errno Order(string path, string order)
    {
        OpenedFile file = Open(path);
        Errno error = file.Write(Encoding.ASCII.GetBytes(order));
        file.Close();
        return error;
    }

    public string Show(string path)
    {
        OpenedFile file = Open(path);
        string shown = Encoding.ASCII.GetString(file.Read().Body);
        file.Close();
        return shown;
    }

    public Errno MakeDirectory(string parent, string name) =>
        daemon.Do(
            FuseOpcode.MkDir, Find(parent),
            [.. KilledDaemon.Bytes(new FuseMkDirIn(0x1FF, 0)), .. Encoding.ASCII.GetBytes(name + "\0")]).Error;

    public Errno RemoveDirectory(string parent, string name) =>
        daemon.Do(FuseOpcode.RmDir, Find(parent), Encoding.ASCII.GetBytes(name + "\0")).Error;
}
