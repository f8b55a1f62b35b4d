namespace TpmFs.Rm.Tests.Harness;

/// <summary>
/// Ends a manager as SIGKILL does: at one moment, which it throws at, and nothing that follows counts.
/// </summary>
/// <param name="moments">At how many moments it still lives.</param>
/// <param name="image">Copies the mirror.</param>
internal sealed class Death(int moments, Func<byte[]> image)
{
    private int _left = moments;

    /// <summary>Gets the memory that the next manager finds; null while this one lives.</summary>
    public byte[]? Image { get; private set; }

    /// <summary>Lets a moment pass.</summary>
    public void Look()
    {
        if (Image is null && _left-- > 0)
        {
            return;
        }

        Image ??= image();
        throw new ProcessDied();
    }
}

/// <summary>Takes the place of the end of a process.</summary>
internal sealed class ProcessDied : Exception;
