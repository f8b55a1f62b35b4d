using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// Commands that a TPM refuses before it does anything, each with an answer of its own. The TPM answers in the order in
/// which it is asked. So the answer to a marker shows that nothing sent before it is still to be answered.
/// </summary>
internal static class SwtpmMarker
{
    /// <summary>A command code that is not assigned (Part 2, 6.5.2), nor a vendor's.</summary>
    private const uint UnknownCommand = 0xFFF0;

    /// <summary>The two handles of TPM2_StartAuthSession, and all of its parameters but the last.</summary>
    private static readonly byte[] s_session = [0x40, 0, 0, 7, 0x40, 0, 0, 7, 0, 0, 0, 0, 1, 0, 0x10];

    /// <summary>How much of it a command has that ends before parameter 1, 2 and so on.</summary>
    private static readonly int[] s_lengths = [8, 10, 12, 13, 15];

    private static readonly TpmRc[] s_answers =
        [TpmRc.CommandCode, TpmRc.BadTag, .. s_lengths.Select((_, index) => TpmRc.Insufficient.ForParameter(index))];

    /// <summary>Returns the marker of a number. Numbers that are seven apart have the same.</summary>
    public static byte[] Command(int number)
    {
        byte[] message = new byte[TpmHeader.Length + s_session.Length];
        var writer = new TpmWriter(message);
        int kind = number % s_answers.Length;
        writer.BeginMessage(
            kind == 1 ? TpmSt.Null : TpmSt.NoSessions, kind <= 1 ? UnknownCommand : (uint)TpmCc.StartAuthSession);
        if (kind > 1)
        {
            writer.WriteBytes(s_session.AsSpan(0, s_lengths[kind - 2]));
        }

        return writer.FinishMessage().ToArray();
    }

    /// <summary>True for the answer to the marker of a number.</summary>
    public static bool IsAnswer(ReadOnlySpan<byte> response, int number) =>
        CodeOf(response) is { } code && code == s_answers[number % s_answers.Length];

    /// <summary>True for the answer to any marker.</summary>
    public static bool IsAnswer(ReadOnlySpan<byte> response) =>
        CodeOf(response) is { } code && s_answers.Contains(code);

    /// <summary>
    /// True where the TPM has done nothing, whatever it was sent: it had a part of a command, or two commands in one
    /// read(2), or it does nothing in the state that it is in. A marker may have gone with that.
    /// </summary>
    public static bool IsRefusal(ReadOnlySpan<byte> response) =>
        CodeOf(response) is { } code && (code == TpmRc.CommandSize || code == TpmRc.ValueError || code == TpmRc.BadTag
            || code == TpmRc.Initialize || code == TpmRc.Failure);

    /// <summary>Returns the code of a response that is a header only; null for any other.</summary>
    private static TpmRc? CodeOf(ReadOnlySpan<byte> response) =>
        TpmHeader.TryRead(response, out TpmHeader header) && header.Size == TpmHeader.Length
            ? header.ResponseCode : null;
}
