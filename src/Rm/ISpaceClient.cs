using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// Gets the answers of one <see cref="Space"/>. One of the manager's threads calls it; the methods must not block.
/// </summary>
public interface ISpaceClient
{
    /// <summary>
    /// Takes the response to the command that was submitted. The client copies the bytes during the call; they do not
    /// outlive it.
    /// </summary>
    void Completed(ReadOnlySpan<byte> response);

    /// <summary>Tells that policy refused the command that was submitted. Its answer follows.</summary>
    void Denied(TpmCc command);

    /// <summary>Tells that the command that was submitted has no response.</summary>
    void Failed(SpaceFailure failure);
}
