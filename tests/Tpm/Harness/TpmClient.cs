using System.Buffers.Binary;
using System.Diagnostics;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>Commands as bytes, and what the tests ask of a TPM.</summary>
internal static class TpmClient
{
    /// <summary>
    /// The transports' clock ticks every 4 ms (CLOCK_MONOTONIC_COARSE, or 10 ms), so a wait may end that much too
    /// early.
    /// </summary>
    private static readonly TimeSpan s_clockTick = TimeSpan.FromMilliseconds(10);

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static byte[] Startup => new TpmCommandBuilder(TpmCc.Startup).U16(0).Build();

    public static byte[] GetRandom8 => new TpmCommandBuilder(TpmCc.GetRandom).U16(8).Build();

    /// <summary>TPM2_PCR_Reset of PCR 20, which the PC Client profile does not allow in localities 0 and 1.</summary>
    public static byte[] ResetPcr20 => new TpmCommandBuilder(TpmCc.PcrReset).Handle(20).Password().Build();

    /// <summary>
    /// TPM2_CreatePrimary of an RSA 2048 storage key in the null hierarchy: long enough to be caught running.
    /// </summary>
    public static byte[] CreatePrimaryRsa => new TpmCommandBuilder(TpmCc.CreatePrimary)
        .Handle(0x4000_0007).Password()
        .Sized(Hex("0000 0000")) // inSensitive
        .Sized(Hex("0001 000B 00030072 0000 0006 0080 0043 0010 0800 00000000 0000")) // inPublic
        .Sized([]).U32(0) // outsideInfo, creationPCR
        .Build();

    /// <summary>
    /// Returns a message as the room's own writer makes it; a command or a response, whose body may be wrong.
    /// </summary>
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

    public static byte[] Hex(string digits) =>
        Convert.FromHexString(digits.Replace(" ", string.Empty, StringComparison.Ordinal));

    /// <summary>Sends GetRandom, which need not succeed.</summary>
    public static TransmitResult TryGetRandom(ITpmTransport transport, TimeSpan timeout, byte locality = 0) =>
        transport.Transmit(GetRandom8, locality, new byte[4096], timeout);

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
        byte[] command = new TpmCommandBuilder(TpmCc.GetCapability)
            .U32((uint)TpmCap.TpmProperties).U32((uint)property).U32(1)
            .Build();
        byte[] response = Execute(transport, command);
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
