namespace TpmFs.Fuse.Session;

/// <summary>Takes requests from the device. The thread that has the turn.</summary>
internal sealed class RequestReader(FuseDevice device)
{
    /// <summary>True while a read of the device waits for a request.</summary>
    private bool _isWaiting = true;

    /// <summary>
    /// Takes a request. Where there are writes to be carried on it does not wait for one: no bytes, and no error, then.
    /// </summary>
    /// <param name="slot">Where the request is to be.</param>
    /// <param name="written">The writes that are to be carried on.</param>
    /// <param name="count">The request's length, in bytes.</param>
    public Errno Read(RequestSlot slot, WrittenFiles written, out int count)
    {
        count = 0;
        if (_isWaiting == written.AreSeveral)
        {
            _isWaiting = !_isWaiting;
            device.SetWaiting(_isWaiting);
        }

        if (_isWaiting && !written.IsEmpty)
        {
            return Errno.None;
        }

        Errno error = device.Read(slot.Buffer, out count);
        if (error != Errno.EAGAIN)
        {
            return error;
        }

        if (!written.IsEmpty)
        {
            return Errno.None;
        }

        error = device.Wait();
        return error.IsError ? error : Errno.EINTR;
    }
}
