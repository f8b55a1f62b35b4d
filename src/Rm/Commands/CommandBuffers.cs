using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Holds the command that is being carried out, as the TPM is to see it, and its response. One pair of buffers serves
/// all commands, one after the other.
/// </summary>
internal sealed class CommandBuffers
{
    private const int Size = 64 * 1024;

    public byte[] Command { get; } = new byte[Size];

    public byte[] Response { get; } = new byte[Size];

    /// <summary>Answers with the first <paramref name="length"/> bytes of the response.</summary>
    public CommandOutcome Answer(int length) => CommandOutcome.Answered(Response.AsMemory(0, length));

    /// <summary>
    /// Answers as a TPM would: the opener's view of the TPM does not have what the command names, or the bytes are no
    /// command. Clients compare such codes exactly.
    /// </summary>
    public CommandOutcome AnswerAsTpm(TpmRc code) => Answer(TpmResponse.Write(Response, code));

    /// <summary>
    /// Answers what no TPM could have said, at the resource manager's layer: a limit, a refusal by policy, slots or
    /// sessions that others have.
    /// </summary>
    public CommandOutcome AnswerAsManager(TpmRc code) => AnswerAsTpm(code.FromResourceManager);

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
