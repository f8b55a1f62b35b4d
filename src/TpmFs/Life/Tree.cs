using Serilog;
using TpmFs.Configuration;
using TpmFs.Domains;
using TpmFs.Nodes;
using TpmFs.Openers;

namespace TpmFs.Life;

/// <summary>The tree that a daemon starts with: the root, and rm0 in it.</summary>
internal sealed class Tree : IDisposable
{
    private readonly UnreadAnswers unread;

    /// <param name="root">Whose the root directory is.</param>
    /// <param name="rm0">Whose the managed node is.</param>
    public Tree(TpmPort tpm, Settings settings, Access root, Access rm0, TimeProvider time, ILogger log)
    {
        unread = new UnreadAnswers(time);
        var notifier = new PollNotifier();
        var table = new NodeTable(time);
        var directory = new DirectoryNode(table, root);
        var domain = new Domain("root", settings.Limits, settings.OpenersMax);
        directory.TryAdd("rm0", new TpmNode(table, rm0, tpm, domain, locality: 0, new OpenerContext(time, unread, notifier, log)));
        FileSystem = new TreeFileSystem(table, notifier);
    }

    public TreeFileSystem FileSystem { get; }

    public void Dispose() => unread.Dispose();
}
