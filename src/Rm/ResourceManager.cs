using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>The resource manager of one TPM.</summary>
public abstract class ResourceManager : IDisposable
{
    /// <summary>The largest command that the TPM takes, in bytes: TPM_PT_MAX_COMMAND_SIZE, at least 4096.</summary>
    public abstract int MaxCommandSize { get; }

    /// <summary>The largest response, in bytes: TPM_PT_MAX_RESPONSE_SIZE, at least 4096.</summary>
    public abstract int MaxResponseSize { get; }

    public abstract Space OpenSpace(SpaceOwner owner, ISpaceClient client);

    /// <summary>Ends what runs, flushes what is held, and gives the TPM back.</summary>
    public abstract void Dispose();
}
