using System.Net.Sockets;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Vm.Tests.Harness;

/// <summary>
/// A virtual machine with Debian's kernel, whose root is this machine's own, read-only below a tmpfs: programs, paths
/// and the built TpmFs are the same there, and whatever is written there is lost with it. See guest/boot.
/// </summary>
public class Guest : IDisposable
{
    /// <summary>The guest takes some 10 s of an idle CPU to boot, all of it emulated.</summary>
    private static readonly TimeSpan s_bootLimit = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How many times slower than its own clock says a guest may be, since that stands still while this machine does
    /// something else.
    /// </summary>
    private const int Slowest = 10;

    /// <summary>A kernel of 70 MB is downloaded, once.</summary>
    private static readonly TimeSpan s_preparationLimit = TimeSpan.FromMinutes(10);

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web);

    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-guest-").FullName;
    private readonly ChildProcess _machine;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly StreamReader _answers;
    private readonly StreamWriter _requests;

    public Guest()
        : this(Path.Combine(Scripts, "guest", "agent.py"), "/")
    {
    }

    /// <summary>A guest whose virtual hardware can be what a sandbox has mounted.</summary>
    /// <param name="options">More options of qemu.</param>
    internal Guest(Sandbox sandbox, params string[] options)
        : this(
            command => sandbox.Start(User.Root, command), Path.Combine(Scripts, "guest", "agent.py"), "/", options)
    {
    }

    /// <param name="init">
    /// The guest's first program, as a path of the guest. Something has to start guest/agent.py.
    /// </param>
    /// <param name="root">The folder of this machine that is the guest's root.</param>
    /// <param name="options">More options of qemu.</param>
    private protected Guest(string init, string root, params string[] options)
        : this(command => new ChildProcess(command), init, root, options)
    {
    }

    private Guest(Func<string[], ChildProcess> start, string init, string root, string[] options)
    {
        string kernel = Path.Combine(Scripts, "obj", "guest");
        string path = Path.Combine(_folder, "agent");
        using (var preparation = new ChildProcess([Path.Combine(Scripts, "guest", "prepare"), kernel]))
        {
            preparation.Wait(s_preparationLimit).Succeeded();
        }

        _machine = start([Path.Combine(Scripts, "guest", "boot"), kernel, path, init, root, .. options]);
        try
        {
            Deadline.Poll(() => TryConnect(path) || _machine.HasExited, "a virtual machine", _machine.Describe);
            Assert.False(_machine.HasExited, _machine.Describe());
            var stream = new NetworkStream(_socket);
            (_answers, _requests) = (new StreamReader(stream), new StreamWriter(stream));
            Receive<Ready>("guest that has booted", s_bootLimit);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The top of the source tree, here and in the guest.</summary>
    public static string Repository { get; } =
        typeof(Guest).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .First(data => data.Key == "Repository").Value!;

    /// <summary>The folder of these tests, here and in the guest.</summary>
    public static string Scripts { get; } = Path.Combine(Repository, "tests", "Vm");

    /// <summary>
    /// Runs a script of sh(1), with -e and -u, as root in the guest. When its time, by the guest's clock, is up, it is
    /// killed with all that it has started; else what it leaves running goes on.
    /// </summary>
    internal Outcome Run(string script, TimeSpan? limit = null)
    {
        TimeSpan time = limit ?? Deadline.Client;
        _requests.WriteLine(JsonSerializer.Serialize(new Request(script, time.TotalSeconds), s_json));
        _requests.Flush();
        Answer answer = Receive<Answer>($"end of '{script}'", (Slowest * time) + Deadline.Step);
        return answer.Code is int code
            ? new Outcome(code, answer.Output, answer.Error)
            : throw new TimeoutException(
                $"Not done within {time.TotalSeconds:0} s in the guest: {script}\n{answer.Output}\n{answer.Error}");
    }

    /// <summary>Waits until the guest has powered itself off.</summary>
    private protected void WaitForEnd() => _machine.Wait(s_bootLimit).Succeeded();

    public void Dispose()
    {
        _socket.Dispose();
        _machine.Dispose();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    private bool TryConnect(string path)
    {
        try
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false; // Not there yet: whoever waits asks again.
        }
    }

    private T Receive<T>(string what, TimeSpan limit)
    {
        string? line = _answers.ReadLineAsync().Wait(what, _machine.Describe, limit);
        Assert.True(line is not null, _machine.Describe());
        return JsonSerializer.Deserialize<T>(line, s_json)!;
    }

    private sealed record Ready([property: JsonPropertyName("ready")] bool Value);

    private sealed record Request(string Script, double Limit);

    private sealed record Answer(int? Code, string Output, string Error);
}

/// <summary>One guest for all tests that ask for it; they run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class GuestCollection : ICollectionFixture<Guest>
{
    public const string Name = "guest";
}
