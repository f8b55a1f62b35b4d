using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Tests.Wire;

/// <summary>
/// Bytes that a client and a TPM may send. No method may throw, and the values that it returns must lie inside the
/// bytes.
/// </summary>
internal static class FuzzTargets
{
    public static void Command(ReadOnlySpan<byte> bytes, TpmaCc attributes)
    {
        if (!TpmCommand.TryParseHandles(bytes, attributes, out TpmCommand command, out TpmRc problem))
        {
            Assert.False(problem.IsSuccess);
            return;
        }

        Assert.InRange(command.ParametersOffset, TpmHeader.Length, bytes.Length);
        for (int index = 0; index < command.HandleCount; index++)
        {
            _ = TpmCommand.Handle(bytes, index);
        }

        int handlesEnd = command.ParametersOffset;
        bool parsed = command.TryParseAuthorizations(bytes, out problem);
        Assert.Equal(parsed, problem.IsSuccess);
        Assert.InRange(command.AuthorizationCount, 0, TpmAuthorization.Max);
        if (parsed)
        {
            int least = handlesEnd + (command.AuthorizationCount * TpmAuthorization.MinSize);
            Assert.InRange(command.ParametersOffset, least, bytes.Length);
            Assert.Equal(command.HasSessions, command.AuthorizationCount > 0);
        }

        _ = TpmContext.TryRead(bytes[command.ParametersOffset..], out _);
    }

    public static void Response(ReadOnlySpan<byte> bytes)
    {
        _ = TpmHeader.TryRead(bytes, out TpmHeader header);
        _ = header.ResponseCode.ToString();
        _ = header.CommandCode.ToName();
        _ = TpmResponse.TryReadHandle(bytes, out _);
        Span<byte> attributes = stackalloc byte[TpmAuthorization.Max];
        foreach (bool hasHandle in (ReadOnlySpan<bool>)[false, true])
        {
            if (TpmResponse.TryReadParameters(bytes, hasHandle, out ReadOnlySpan<byte> parameters))
            {
                Assert.True(bytes.Overlaps(parameters) || parameters.IsEmpty);
            }

            if (TpmResponse.TryReadSessionAttributes(bytes, hasHandle, attributes))
            {
                Assert.Equal(TpmSt.Sessions, header.Tag);
            }
        }
    }
}
