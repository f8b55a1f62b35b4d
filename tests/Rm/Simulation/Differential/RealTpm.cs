using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>A real TPM to compare with: a swtpm process of this test's own, in a directory of its own.</summary>
internal sealed class RealTpm : IDisposable
{
    private const uint ControlInit = 2;
    private const uint ControlShutdown = 3;
    private const uint ControlSetLocality = 5;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("tpmfs-real-");
    private readonly Socket _data;
    private readonly Socket _control;
    private readonly byte[] _response = new byte[8192];

    public RealTpm()
    {
        Start();
        _control = Connect("control");
        _data = Connect("data");
    }

    public byte[] Execute(ReadOnlySpan<byte> command)
    {
        _data.Send(command);
        ReceiveExactly(_data, _response.AsSpan(0, 10));
        var size = BinaryPrimitives.ReadInt32BigEndian(_response.AsSpan(2));
        ReceiveExactly(_data, _response.AsSpan(10, size - 10));
        return _response[..size];
    }

    /// <summary>_TPM_Init.</summary>
    public void PowerCycle() => Control(ControlInit, [0, 0, 0, 0]);

    public void SetLocality(byte locality) => Control(ControlSetLocality, [locality]);

    public void Dispose()
    {
        Control(ControlShutdown, []);
        _data.Dispose();
        _control.Dispose();
        _directory.Delete(recursive: true);
    }

    private static void ReceiveExactly(Socket socket, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = socket.Receive(bytes);
            Assert.True(count > 0, "swtpm closed the connection.");
            bytes = bytes[count..];
        }
    }

    /// <summary>swtpm goes to the background when its sockets are open, so that its exit here says that it is ready.</summary>
    private void Start()
    {
        var start = new ProcessStartInfo("swtpm") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["socket", "--tpm2", "--daemon", "--terminate", "--flags", "not-need-init",
            "--tpmstate", $"dir={_directory.FullName}", "--log", $"file={_directory.FullName}/log",
            "--server", $"type=unixio,path={_directory.FullName}/data", "--ctrl", $"type=unixio,path={_directory.FullName}/control"])
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using var process = Process.Start(start)!;
            Assert.True(process.WaitForExit(TimeSpan.FromSeconds(20)), "swtpm did not start within 20 s.");
            Assert.True(process.ExitCode == 0, $"swtpm ended with {process.ExitCode.ToString(CultureInfo.InvariantCulture)}.");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            Assert.Fail($"This test compares with a real TPM and needs swtpm (Debian: apt install swtpm): {e.Message}");
        }
    }

    private Socket Connect(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 30_000, SendTimeout = 30_000 };
        socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(_directory.FullName, name)));
        return socket;
    }

    private void Control(uint command, ReadOnlySpan<byte> arguments)
    {
        _control.Send(new ByteWriter().U32(command).Bytes(arguments).Written);
        Span<byte> result = stackalloc byte[4];
        ReceiveExactly(_control, result);
        Assert.True(BinaryPrimitives.ReadUInt32BigEndian(result) == 0, $"swtpm refused control command {command}.");
    }
}
