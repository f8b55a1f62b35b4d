using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>
/// The part of an answer that must be the same on every TPM: the code, and values that do not depend on keys and random
/// numbers.
/// </summary>
internal static class Comparable
{
    public static string Of(uint command, Answer answer)
    {
        string code = $"0x{answer.Code:X}";
        if (!answer.IsSuccess)
        {
            return $"{code} {Convert.ToHexString(answer.Bytes.AsSpan(0, 6))}";
        }

        bool isSessions = answer.Bytes[1] == 2;
        string body =
            (CommandTable.Find(command)?.HasResponseHandle ?? false) ? $"handle {answer.Handle:X}" : command switch
            {
                _ when isSessions => string.Empty,
                0x17A => Convert.ToHexString(answer.Body),
                0x17B => $"{answer.Body.Length} bytes",
                0x17E or 0x189 => Convert.ToHexString(answer.Body),
                0x162 => SavedContext(answer),
                0x181 => Convert.ToHexString(answer.Body.AsSpan(16, 8)),
                _ => string.Empty,
            };
        return $"{code} {body} {(isSessions ? Attributes(answer) : string.Empty)}";
    }

    /// <summary>savedHandle and hierarchy; for a session the context id too.</summary>
    private static string SavedContext(Answer answer)
    {
        bool isSession = answer.Body[8] != 0x80;
        return Convert.ToHexString(isSession ? answer.Body.AsSpan(0, 16) : answer.Body.AsSpan(8, 8));
    }

    /// <summary>The attributes in the last session of the response, where its HMAC is empty.</summary>
    private static string Attributes(Answer answer) => $"attributes {answer.Bytes[^3]:X2}";
}
