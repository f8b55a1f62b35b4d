using System.Diagnostics;
using System.Buffers.Binary;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>Commands as bytes, and what the tests ask of a TPM.</summary>
internal static class TpmClient
{
    /// <summary>The transports' clock ticks every 4 ms (CLOCK_MONOTONIC_COARSE, or 10 ms), so a wait may end that much too early.</summary>
    private static readonly TimeSpan s_clockTick = TimeSpan.FromMilliseconds(10);

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static byte[] Startup => Command(TpmSt.NoSessions, TpmCc.Startup, 0, 0);

    public static byte[] GetRandom8 => Command(TpmSt.NoSessions, TpmCc.GetRandom, 0, 8);

    /// <summary>TPM2_CreatePrimary of an RSA 2048 storage key in the null hierarchy: long enough to be caught running.</summary>
    public static byte[] CreatePrimaryRsa => Command(
        TpmSt.Sessions,
        TpmCc.CreatePrimary,
        [
            .. Hex("40000007 00000009 40000009 0000 00 0000"), // TPM_RH_NULL; a password session
            .. Hex("0004 0000 0000"), // inSensitive
            .. Hex("001A 0001 000B 00030072 0000 0006 0080 0043 0010 0800 00000000 0000"), // inPublic
            .. Hex("0000 00000000"), // outsideInfo, creationPCR
        ]);

    public static byte[] Command(TpmSt tag, TpmCc code, params byte[] body)
    {
        byte[] command = new byte[TpmHeader.Length + body.Length];
        var writer = new TpmWriter(command);
        writer.BeginMessage(tag, (uint)code);
        writer.WriteBytes(body);
        writer.FinishMessage();
        return command;
    }

    public static byte[] Response(TpmRc code, params byte[] body) => Command(TpmSt.NoSessions, (TpmCc)code.Value, body);

    public static byte[] Hex(string digits) => Convert.FromHexString(digits.Replace(" ", string.Empty, StringComparison.Ordinal));

    public static byte[] Execute(ITpmTransport transport, byte[] command, byte locality = 0)
    {
        byte[] response = new byte[4096];
        TransmitResult result = transport.Transmit(command, locality, response, Patience);
        Assert.True(result.Status == TransmitStatus.Ok, $"{result.Status}: {result.Problem}");
        return response[..result.Length];
    }

    public static TpmRc CodeOf(byte[] response) => new(BinaryPrimitives.ReadUInt32BigEndian(response.AsSpan(6)));

    /// <summary>One property of TPM_CAP_TPM_PROPERTIES.</summary>
    public static uint Property(ITpmTransport transport, TpmPt property)
    {
        byte[] parameters = new byte[12];
        BinaryPrimitives.WriteUInt32BigEndian(parameters, (uint)TpmCap.TpmProperties);
        BinaryPrimitives.WriteUInt32BigEndian(parameters.AsSpan(4), (uint)property);
        BinaryPrimitives.WriteUInt32BigEndian(parameters.AsSpan(8), 1);
        byte[] response = Execute(transport, Command(TpmSt.NoSessions, TpmCc.GetCapability, parameters));
        Assert.Equal(TpmRc.Success, CodeOf(response));
        Assert.Equal((uint)property, BinaryPrimitives.ReadUInt32BigEndian(response.AsSpan(19)));
        return BinaryPrimitives.ReadUInt32BigEndian(response.AsSpan(23));
    }

    /// <summary>Fails unless what began at <paramref name="start"/> took its time limit, and not much longer.</summary>
    public static void AssertTook(TimeSpan limit, long start) =>
        Assert.InRange(Stopwatch.GetElapsedTime(start), limit - s_clockTick, limit + TimeSpan.FromSeconds(10));

    public static void Connect(ITpmTransport transport)
    {
        bool connected = transport.TryConnect(Patience, out string problem);
        Assert.True(connected, problem);
    }
}
