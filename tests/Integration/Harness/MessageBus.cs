using System.Net.Sockets;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A message bus of the test's own, with the policy of a system bus, and for TpmFs that of its package.
/// </summary>
internal sealed class MessageBus : IDisposable
{
    private readonly Sandbox _sandbox;
    private readonly string _socket;
    private readonly string _configuration;
    private ChildProcess _process;

    /// <param name="sandbox">The sandbox that it runs in.</param>
    /// <param name="name">The name of its folder.</param>
    public MessageBus(Sandbox sandbox, string name)
    {
        _sandbox = sandbox;
        string folder = sandbox.MakeRootsFolder(name);
        _socket = Path.Combine(folder, "socket");
        _configuration = Path.Combine(folder, "bus.conf");
        File.WriteAllText(
            _configuration,
            $"""
             <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
              "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
             <busconfig>
               <type>system</type>
               <auth>EXTERNAL</auth>
               <listen>unix:path={_socket}</listen>
               <policy context="default">
                 <allow user="*"/>
                 <deny own="*"/>
                 <deny send_type="method_call"/>
                 <allow send_type="signal"/>
                 <allow send_requested_reply="true" send_type="method_return"/>
                 <allow send_requested_reply="true" send_type="error"/>
                 <allow receive_type="method_call"/>
                 <allow receive_type="method_return"/>
                 <allow receive_type="error"/>
                 <allow receive_type="signal"/>
                 <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
               </policy>
               <include>{Path.Combine(sandbox.Scripts, "tpmfs-abrmd.conf")}</include>
             </busconfig>
             """);
        AddUsers();
        _process = Start();
    }

    /// <summary>The address.</summary>
    public string Address => $"unix:path={_socket}";

    /// <summary>Words before a command that takes this bus for the system's.</summary>
    public string[] Words => ["env", $"DBUS_SYSTEM_BUS_ADDRESS={Address}"];

    /// <summary>Ends it, as a bus that crashes.</summary>
    public void Kill()
    {
        _process.Dispose();
        File.Delete(_socket);
    }

    /// <summary>Starts it again after <see cref="Kill"/>.</summary>
    public void Restart() => _process = Start();

    /// <summary>Waits until somebody has a name.</summary>
    public void WaitForOwner(string name) => Deadline.Poll(
        () => Call(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner", $"string:{name}")
            .Output.Contains("true", StringComparison.Ordinal),
        $"an owner of {name}", _process.Describe);

    /// <summary>Calls a method with dbus-send(1).</summary>
    public Outcome Call(string destination, string path, string method, params string[] arguments) =>
        Call(User.Root, destination, path, method, arguments);

    /// <inheritdoc cref="Call(string, string, string, string[])"/>
    public Outcome Call(User user, string destination, string path, string method, params string[] arguments) =>
        _sandbox.Run(
            user,
            ["dbus-send", $"--bus={Address}", "--print-reply", $"--dest={destination}", path, method, .. arguments]);

    public void Dispose() => _process.Dispose();

    /// <summary>Gives the tests' users names, without which a bus does not let them in.</summary>
    private void AddUsers() => _sandbox.Shell(
        $$"""
        (cat /etc/passwd; for uid in $(seq 54321 54330) $(seq {{User.FirstMade}} {{User.LastMade}}); do
            echo "test$uid:x:$uid:$uid::/:/bin/sh"; done) >passwd
        chmod 644 passwd
        mount --bind passwd /etc/passwd
        """);

    private ChildProcess Start()
    {
        ChildProcess process = _sandbox.Start(
            User.Root, ["dbus-daemon", $"--config-file={_configuration}", "--nofork", "--nopidfile"]);
        Deadline.Poll(() => process.HasExited || IsListening(), "a message bus", process.Describe);
        Assert.False(process.HasExited, process.Describe());
        return process;
    }

    private bool IsListening()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(_socket));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
