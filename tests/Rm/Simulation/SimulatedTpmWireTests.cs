using TpmFs.Rm.Tests.Simulation.Differential;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation;

/// <summary>
/// A real TPM (libtpms, the reference implementation) and the simulated one refuse the same, with the same codes.
/// </summary>
public sealed class SimulatedTpmWireTests : IDisposable
{
    private readonly TpmPair _pair = new();
    private readonly Stage _stage;

    public SimulatedTpmWireTests() => _stage = new Stage(_pair);

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void Nothing_works_before_startup()
    {
        _pair.Send(Cmd.GetRandom(8));
        _pair.Send(Cmd.FlushContext(0x80000000));
        _pair.Send(Convert.FromHexString("80010000000A00000FFF"));
        _pair.Send(Cmd.Startup(state: true));
        _pair.Send(Cmd.Startup());
        _pair.Send(Cmd.Startup());
        _pair.Send(Cmd.GetRandom(8));
    }

    [Theory]
    [InlineData("80030000000A0000017B")]
    [InlineData("80010000000A00000FFF")]
    [InlineData("80010000000A20000002")]
    [InlineData("80010000000C0000017B0008")]
    [InlineData("80010000000B0000017B00")]
    [InlineData("80010000000D0000017B000800")]
    [InlineData("80020000000A0000017B")]
    [InlineData("80020000000C0000017B0000")]
    [InlineData("80020000000E0000017B00000000")]
    [InlineData("80020000000E0000017B00000009")]
    [InlineData("80020000000E0000016500000009")]
    [InlineData("8002000000190000017B000000090200000000000000000008")]
    [InlineData("80020000001B0000017B000000094000000900000100000008")]
    public void Answers_to_a_malformed_command_agree(string command)
    {
        _stage.Start();
        _pair.Send(Convert.FromHexString(command));
    }

    [Fact]
    public void Answers_to_every_truncation_of_every_command_and_to_one_byte_too_many_agree()
    {
        _stage.Start();
        _stage.MakeOneOfEach();
        foreach (Func<Side, byte[]> command in _stage.OneOfEach())
        {
            for (int length = 10; length <= 60; length++)
            {
                _pair.Send(s => Resized(command(s), length));
                _pair.Send(Cmd.FlushContext(0x80000002));
            }

            _pair.Send(s => Resized(command(s), command(s).Length + 1));
            _pair.Send(Cmd.FlushContext(0x80000002));
        }
    }

    [Fact]
    public void Answers_to_every_kind_of_handle_in_every_handle_of_every_command_agree()
    {
        uint[] odd =
        [
            0, 23, 24, 0x01000000, 0x02000000, 0x02000001, 0x02000002, 0x0200003F, 0x02000040, 0x02FFFFFE, 0x02FFFFFF,
            0x03000000, 0x03000001, 0x03000002, 0x0300003F, 0x03000040, 0x03FFFFFF,
            0x40000000, 0x40000001, 0x40000006, 0x40000007, 0x40000008, 0x40000009, 0x4000000A, 0x4000000B, 0x4000000C,
            0x4000000D, 0x4000000E,
            0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80FFFFFE, 0x80FFFFFF, 0x81000000, 0x81000001, 0x81800000,
            0x82000000, 0xFFFFFFFF,
        ];
        _stage.Start();
        foreach (uint handle in odd)
        {
            _pair.Send(Cmd.FlushContext(handle));
            _pair.Send(Cmd.GetRandom(1, Auth.AuditSession(handle)));
        }

        _stage.MakeOneOfEach();
        foreach (Func<Side, byte[]> command in _stage.OneOfEach())
        {
            uint code = CommandLog.CodeOf(command(_pair.Left));
            for (int n = 0; n < (CommandTable.Find(code)?.HandleKinds.Length ?? 0); n++)
            {
                foreach (uint handle in odd)
                {
                    _pair.Send(s => WithHandle(command(s), n, handle));
                    _pair.Send(Cmd.FlushContext(0x80000002));
                    _stage.MakeOneOfEach();
                }
            }
        }
    }

    [Fact]
    public void Capabilities_agree()
    {
        _stage.Start();
        _stage.Populate();
        foreach ((uint capability, uint property, uint count) in ((uint, uint, uint)[])[(1, 0, 100), (1, 5, 3),
            (1, 0x80000000, 1), (1, 0x80000001, 1), (1, 0x80000002, 0), (1, 0x80FFFFFF, 1),
            (1, 0x02000000, 10), (1, 0x03000000, 10), (1, 0x81000000, 10), (1, 0x01000000, 10), (1, 0x40000000, 3),
            (1, 0x40000008, 100), (1, 0x50000000, 1), (1, 0x90000000, 1),
            (5, 0, 1), (11, 0, 1), (0x100, 0, 1), (0xFFFFFFFF, 0, 1), (6, 0x203, 5), (6, 0x20E, 1), (6, 0x10E, 1),
            (6, 0x110, 2), (6, 0x114, 1), (6, 0x11E, 2),
            (6, 0x300, 10), (6, 0x2FF, 10)])
        {
            _pair.Send(Cmd.GetCapability(capability, property, count));
        }
    }

    private static byte[] Resized(byte[] command, int length)
    {
        Array.Resize(ref command, length);
        return WithSize(command);
    }

    private static byte[] WithHandle(byte[] command, int n, uint handle)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(10 + (4 * n)), handle);
        return command;
    }

    private static byte[] WithSize(byte[] command)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), command.Length);
        return command;
    }
}
