using System.Net.Sockets;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>Does to a TPM what a machine does when it sleeps, wakes, reboots or loses power.</summary>
internal static class SwtpmPower
{
    private const int ShutdownClear = 0, ShutdownState = 1;

    public static byte[] Shutdown(bool state) =>
        new TpmCommandBuilder(TpmCc.Shutdown).U16(state ? ShutdownState : ShutdownClear).Build();

    public static byte[] Startup(bool state) =>
        new TpmCommandBuilder(TpmCc.Startup).U16(state ? ShutdownState : ShutdownClear).Build();

    /// <summary>
    /// _TPM_Init by the control channel (CMD_INIT): the power goes and comes back. The data connection stays.
    /// </summary>
    public static void PowerCycle(SoftwareTpm tpm)
    {
        using var control = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        control.Connect(new UnixDomainSocketEndPoint(tpm.Socket + ".ctrl"));
        control.Send((byte[])[0, 0, 0, 2, 0, 0, 0, 0]);
        byte[] result = new byte[4];
        Assert.Equal(4, control.Receive(result));
        Assert.Equal(new byte[4], result);
    }
}
