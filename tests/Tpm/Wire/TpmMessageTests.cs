using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Tests.Wire;

public sealed class TpmMessageTests
{
    /// <summary>One handle in the handle area, as TPM2_Clear has.</summary>
    private static readonly TpmaCc s_oneHandle = new((uint)TpmCc.Clear | (1u << 25));

    [Fact]
    public void A_command_is_taken_apart_into_handles_authorizations_and_parameters()
    {
        byte[] bytes = TpmClient.Command(
            TpmSt.Sessions,
            TpmCc.Clear,
            TpmClient.Hex("4000000C 00000015 02000005 0002AAAA 81 0001BB 40000009 0000 01 0000 FEED"));
        Assert.True(TpmCommand.TryParseHandles(bytes, s_oneHandle, out TpmCommand command, out _));
        Assert.Equal(new TpmHandle(0x4000_000C), TpmCommand.Handle(bytes, 0));
        Assert.True(command.TryParseAuthorizations(bytes, out TpmRc problem), problem.ToString());
        Assert.Equal(2, command.AuthorizationCount);
        Assert.Equal(new TpmAuthorization(new TpmHandle(0x0200_0005), 0x81), command.Authorization(0));
        Assert.Equal(new TpmAuthorization(new TpmHandle((uint)TpmRh.Pw), 0x01), command.Authorization(1));
        Assert.Equal([0xFE, 0xED], bytes[command.ParametersOffset..]);
    }

    [Fact]
    public void A_command_without_sessions_has_its_parameters_behind_the_handles()
    {
        byte[] bytes = TpmClient.Command(TpmSt.NoSessions, TpmCc.Clear, 0x40, 0, 0, 0x0C, 0xFE);
        Assert.True(TpmCommand.TryParseHandles(bytes, s_oneHandle, out TpmCommand command, out _));
        Assert.True(command.TryParseAuthorizations(bytes, out _));
        Assert.Equal(0, command.AuthorizationCount);
        Assert.Equal([0xFE], bytes[command.ParametersOffset..]);
    }

    [Fact]
    public void A_size_that_is_not_the_commands_is_refused()
    {
        byte[] bytes = TpmClient.GetRandom8;
        bytes[5]++;
        Assert.False(TpmCommand.TryParseHandles(bytes, default, out _, out TpmRc problem));
        Assert.Equal(TpmRc.CommandSize, problem);
        Assert.False(TpmCommand.TryParseHandles(bytes.AsSpan(0, 9), default, out _, out problem));
        Assert.Equal(TpmRc.CommandSize, problem);
    }

    [Fact]
    public void The_attributes_of_sessions_are_found_behind_a_responses_parameters()
    {
        byte[] response = TpmClient.Command(
            TpmSt.Sessions, 0, TpmClient.Hex("80000001 00000002 FEED 0002AAAA 01 0001BB 0000 80 0000"));
        Span<byte> attributes = stackalloc byte[2];
        Assert.True(TpmResponse.TryReadSessionAttributes(response, hasHandle: true, attributes));
        Assert.Equal([0x01, 0x80], attributes.ToArray());
        Assert.True(TpmResponse.TryReadParameters(response, hasHandle: true, out ReadOnlySpan<byte> parameters));
        Assert.Equal([0xFE, 0xED], parameters.ToArray());
        Assert.True(TpmResponse.TryReadHandle(response, out TpmHandle handle));
        Assert.Equal(0x8000_0001u, handle.Value);
        Assert.False(
            TpmResponse.TryReadSessionAttributes(response.AsSpan(0, response.Length - 1), hasHandle: true, attributes));
    }

    [Fact]
    public void A_context_is_read_whole_or_not_at_all()
    {
        byte[] bytes = TpmClient.Hex("0000000000000007 80000000 40000001 0002AABB");
        Assert.True(TpmContext.TryRead(bytes, out TpmContext context));
        Assert.Equal(new TpmContext(7, new TpmHandle(TpmContext.SavedObject), (uint)TpmRh.Owner), context);
        Assert.False(TpmContext.TryRead([.. bytes, 0], out _));
        Assert.False(TpmContext.TryRead(bytes.AsSpan(0, bytes.Length - 1), out _));
    }

    [Fact]
    public void A_tpm_refuses_what_the_parser_refuses_with_the_same_code()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = swtpm.Connect();
        TpmClient.Execute(transport, TpmClient.Startup);

        // TPM2_ClockRateAdjust: one handle that is always there, and parameters that do no harm.
        var attributes = new TpmaCc((uint)TpmCc.ClockRateAdjust | (1u << 25));
        byte[] seed = TpmClient.Command(
            TpmSt.Sessions, TpmCc.ClockRateAdjust, TpmClient.Hex(
                "40000001 00000012 40000009 0000 00 0000 40000009 0000 00 0000 00"));
        int refused = 0;
        for (int round = 0; round < 4000; round++)
        {
            byte[] bytes = Mutation.Of(seed, new Random(round));
            if (bytes.Length < 14
                || !bytes.AsSpan(6, 8).SequenceEqual(seed.AsSpan(6, 8))
                || bytes[2..6].Any(b => b != 0 && b != bytes.Length))
            {
                continue; // Another command, another handle, or a size that swtpm would wait for.
            }

            if (!TpmHeader.TryRead(bytes, out TpmHeader header) || header.Size != bytes.Length)
            {
                continue;
            }

            bool parsed = TpmCommand.TryParseHandles(bytes, attributes, out TpmCommand command, out TpmRc problem)
                && command.TryParseAuthorizations(bytes, out problem);
            TpmRc answer = TpmClient.CodeOf(TpmClient.Execute(transport, bytes));
            if (!parsed)
            {
                // A TPM looks at what an entry says before it reads the next one.
                bool saysEarlier = (answer.Base == TpmRc.Attributes || answer.Base == TpmRc.Nonce)
                    && answer.Value >> 8 < problem.Value >> 8;
                Assert.True(problem == answer
                    || saysEarlier, $"round {round}, {Convert.ToHexString(bytes)}: parser {problem}, TPM {answer}");
                refused++;
            }
        }

        Assert.True(refused > 300, $"only {refused} commands were refused");
    }
}
