using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>A real TPM to compare with: a swtpm process of this test's own, in a directory of its own.</summary>
internal sealed class RealTpm : IDisposable
{
    private const uint ControlInit = 2;
    private const uint ControlShutdown = 3;
    private const uint ControlSetLocality = 5;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("tpmfs-real-");
    private readonly Process _process;
    private readonly Socket _data;
    private readonly Socket _control;
    private readonly byte[] _response = new byte[8192];

    public RealTpm()
    {
        _process = Start();
        _control = Connect("control");
        _data = Connect("data");
    }

    public byte[] Execute(ReadOnlySpan<byte> command)
    {
        _data.Send(command);
        ReceiveExactly(_data, _response.AsSpan(0, 10));
        int size = BinaryPrimitives.ReadInt32BigEndian(_response.AsSpan(2));
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
        if (!_process.WaitForExit(s_patience))
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        _directory.Delete(recursive: true);
    }

    private static void ReceiveExactly(Socket socket, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = socket.Receive(bytes);
            Assert.True(count > 0, "swtpm closed the connection.");
            bytes = bytes[count..];
        }
    }

    private Process Start()
    {
        var start = new ProcessStartInfo("swtpm");
        foreach (string argument in (string[])["socket", "--tpm2", "--terminate", "--flags", "not-need-init",
            "--tpmstate", $"dir={_directory.FullName}", "--log", $"file={_directory.FullName}/log",
            "--server", $"type=unixio,path={_directory.FullName}/data", "--ctrl",
            $"type=unixio,path={_directory.FullName}/control"])
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new Xunit.Sdk.XunitException(
                $"This test compares with a real TPM and needs swtpm (Debian: apt install swtpm): {e.Message}");
        }
    }

    /// <summary>Tries until the socket listens, as long as the process lives.</summary>
    private Socket Connect(string name)
    {
        var address = new UnixDomainSocketEndPoint(Path.Combine(_directory.FullName, name));
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            var socket = new Socket(
                AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            {
                ReceiveTimeout = 30_000,
                SendTimeout = 30_000
            };
            try
            {
                socket.Connect(address);
                return socket;
            }
            catch (SocketException e)
            {
                socket.Dispose();
                Assert.False(_process.WaitForExit(TimeSpan.FromMilliseconds(2)), "swtpm ended before it listened.");
                Assert.True(Stopwatch.GetElapsedTime(started) < s_patience, $"swtpm does not listen: {e.Message}");
            }
        }
    }

    private void Control(uint command, ReadOnlySpan<byte> arguments)
    {
        _control.Send(new ByteWriter().U32(command).Bytes(arguments).Written);
        Span<byte> result = stackalloc byte[4];
        ReceiveExactly(_control, result);
        Assert.True(BinaryPrimitives.ReadUInt32BigEndian(result) == 0, $"swtpm refused control command {command}.");
    }
}
