using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// The command that is being carried out as the TPM is to see it, and its response. One pair serves all commands, one
/// after the other.
/// </summary>
internal sealed class CommandBuffers
{
    private const int Size = 64 * 1024;

    public byte[] Command { get; } = new byte[Size];

    public byte[] Response { get; } = new byte[Size];

    /// <summary>Answers with the first <paramref name="length"/> bytes of the response.</summary>
    public CommandOutcome Answer(int length) => CommandOutcome.Answered(Response.AsMemory(0, length));

    /// <summary>Answers with a code of the manager's own.</summary>
    public CommandOutcome Answer(TpmRc code) => AnswerAsTpm(code.FromResourceManager);

    /// <summary>Answers with a code as if it came from the TPM.</summary>
    public CommandOutcome AnswerAsTpm(TpmRc code) => Answer(TpmResponse.Write(Response, code));

    /// <summary>
    /// Zeroes the command and its response, which may hold secrets. Of a command that failed, a response of any length
    /// may be there.
    /// </summary>
    public void Wipe(int commandLength, in CommandOutcome outcome)
    {
        Command.AsSpan(0, commandLength).Clear();
        Response.AsSpan(
            0,
            outcome.Kind == CommandOutcomeKind.Failed ? Size : Math.Max(commandLength, outcome.Response.Length))
            .Clear();
    }
}
