using BenchmarkDotNet.Attributes;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Mirror;
using TpmFs.Permissions;
using TpmFs.Rm;

namespace TpmFs.Benchmarks;

/// <summary>A command as the kernel hands it over: requests in, replies out, on a device that takes no time.</summary>
public class FileBenchmarks
{
    private readonly Machine _machine = new();
    private Kernel _kernel = null!;
    private Kernel _quiet = null!;
    private TpmFile _file = null!;

    /// <summary>Gets or sets whether all is written down for the next daemon.</summary>
    [ParamsAllValues]
    public bool IsMirrored { get; set; }

    [GlobalSetup]
    public void Open()
    {
        RecordStore? records = IsMirrored ? NewStore() : null;
        var table = new NodeTable(TimeProvider.System, records);
        var notifier = new PollNotifier();
        var context = new ConversationContext(TimeProvider.System, Serilog.Core.Logger.None, records);
        _file = Open(context, notifier);
        var node = new OneFile(table, Open(context, notifier));
        table.Link(node);
        var tree = new TreeFileSystem(table, notifier, new Access(0, 0, 0), Serilog.Core.Logger.None);
        _kernel = new Kernel(tree, node.Id, records);
        _quiet = new Kernel(new QuietFileSystem(), node.Id, records);
    }

    /// <summary>WRITE and READ of a filesystem that does nothing.</summary>
    [Benchmark]
    public void Dispatch()
    {
        _quiet.Write();
        _quiet.Read();
    }

    /// <summary>A file's write and read, manager included.</summary>
    [Benchmark]
    public void WriteAndRead()
    {
        _file.Write(default, Kernel.Command, out _);
        _file.Lend();
        _file.Read(new FuseReadArguments(Offset: 0, 4096, Flags: 0), Kernel.NoReply);
    }

    /// <summary>From the bytes of WRITE to those of READ's reply.</summary>
    [Benchmark]
    public void Whole()
    {
        _kernel.Write();
        _kernel.Read();
    }

    /// <summary>The same as the device TCTI of libtss2 does it, with a POLL between the two.</summary>
    [Benchmark]
    public void WholeWithPoll()
    {
        _kernel.Write();
        _kernel.Poll();
        _kernel.Read();
    }

    private static RecordStore NewStore()
    {
        const int Length = 64 << 20;
        return SharedMemory.Create("bench", Length, out SharedMemory? memory).IsError
            ? throw new InvalidOperationException("There is no shared memory.")
            : RecordStore.Create(memory!.Memory, format: 1);
    }

    private TpmFile Open(ConversationContext context, PollNotifier notifier)
    {
        var identity = new ConversationIdentity(
            context.NextId(), new Client(1000, 1, "bench"), "", new TpmNodeAddress("rm0", 0, 0, IsRaw: false), 0);
        Conversation conversation = Conversation.TryBegin(
            context, identity, 4096, client => _machine.Manager.OpenSpace(Machine.Owner, client), new NoKeeper())!;
        return new TpmFile(conversation, notifier);
    }

    private sealed class NoKeeper : IConversationKeeper
    {
        public void Ended(Conversation conversation)
        {
        }

        public void Left(Conversation conversation)
        {
        }
    }

    private sealed class OneFile(NodeTable table, OpenFile file) : Node(table, NodeAccess.Fixed(0, 0, 0))
    {
        public override NodeType Type => NodeType.Regular;

        public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? opened)
        {
            opened = file;
            return Errno.None;
        }
    }
}
