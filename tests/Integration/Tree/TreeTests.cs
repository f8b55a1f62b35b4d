using System.Globalization;
using System.Text;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests of the tree: names below the mount point, and an administrator who works on them.</summary>
public abstract class TreeTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    private static int s_names;
    private Agent? _admin;

    /// <summary>Code of a response that the resource manager made itself.</summary>
    private protected const uint Layer = 0x000B_0000;

    private protected Agent Admin => _admin ??= NewAgent();

    private protected string At(string name) => Path.Combine(Mount.Daemon.MountPoint, name);

    /// <summary>A number that no other test has used, for names and users.</summary>
    private protected static int NewNumber()
    {
        int number = User.FirstMade + Interlocked.Increment(ref s_names);
        Assert.InRange(number, User.FirstMade, User.LastMade);
        return number;
    }

    /// <summary>Makes a domain and returns its path.</summary>
    private protected string NewDomain()
    {
        string path = At($"domains/test{NewNumber()}");
        Assert.Null(Admin.Call("mkdir", path).Errno);
        return path;
    }

    /// <summary>Grants a new user a directory.</summary>
    private protected (User User, string Path) NewUser()
    {
        var user = new User((uint)NewNumber());
        string path = At($"users/{user.Uid}");
        Assert.Null(Admin.Call("mkdir", path).Errno);
        return (user, path);
    }

    /// <summary>A node, opened by an agent of its own.</summary>
    private protected Opener OpenAt(string node, User? user = null) => NewAgent(user).Open(node);

    private protected string Read(string file, Agent? reader = null)
    {
        Reply reply = (reader ?? Admin).Call("cat", file);
        Assert.True(reply.Errno is null, $"{file}: {reply.Errno}");
        return Encoding.UTF8.GetString(reply.Data);
    }

    /// <summary>Writes a control file, as echo does, and returns the errno.</summary>
    private protected string? TryWrite(string file, string text, Agent? writer = null) =>
        (writer ?? Admin).Call("echo", file, Convert.ToHexString(Encoding.UTF8.GetBytes(text))).Errno;

    private protected void Write(string file, string text) => Assert.Null(TryWrite(file, text + "\n"));

    /// <summary>The entries of a directory, in the order of their names.</summary>
    private protected string[] List(string directory) =>
        Encoding.UTF8.GetString(Admin.Call("list", directory).Data).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The lines of a flat-keyed file.</summary>
    private protected Dictionary<string, long> ReadKeys(string file) =>
        Read(file).Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split(' '))
        .ToDictionary(pair => pair[0], pair => long.Parse(pair[1], CultureInfo.InvariantCulture));

    /// <summary>
    /// The openers of a domain: id, uid, pid and so on; a line that does not begin with an id is a heading.
    /// </summary>
    private protected string[][] Openers(string domain) =>
        [.. Read(Path.Combine(domain, "openers")).Split('\n')
            .Select(line => line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words.Length > 0 && words[0].All(char.IsAsciiDigit))];
}
