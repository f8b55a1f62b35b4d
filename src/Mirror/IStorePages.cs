namespace TpmFs.Mirror;

/// <summary>The pages of a store's memory, which the kernel gives and takes back.</summary>
public interface IStorePages
{
    /// <summary>Gets the pages of a part that is going to be written.</summary>
    /// <param name="offset">In bytes; a multiple of 64 KiB, as the length is.</param>
    /// <returns>False when there is no memory for them.</returns>
    bool TryPopulate(int offset, int length);

    /// <summary>Gives back the pages of a part that holds no record any more.</summary>
    /// <inheritdoc cref="TryPopulate"/>
    void Release(int offset, int length);
}
