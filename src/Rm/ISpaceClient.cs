using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// Who gets the answers of one <see cref="Space"/>. Called by one of the manager's threads, which it must not hold up.
/// </summary>
public interface ISpaceClient
{
    /// <summary>
    /// The command that was submitted is answered. The bytes are the client's to copy; they do not outlive the call.
    /// </summary>
    void Completed(ReadOnlySpan<byte> response);

    /// <summary>Policy refused the command that was submitted; its answer follows.</summary>
    void Denied(TpmCc command);

    /// <summary>The command that was submitted has no response.</summary>
    void Failed(SpaceFailure failure);
}
