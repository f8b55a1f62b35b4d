namespace TpmFs.Fuse.Session;

/// <summary>Takes requests from the device. The thread that has the turn.</summary>
internal sealed class RequestReader(FuseDevice device)
{
    /// <summary>True while a read of the device waits for a request.</summary>
    private bool _isWaiting = true;

    /// <summary>
    /// Takes a request. Does not wait for one while writes wait for this thread, and takes none once they are due:
    /// returns no bytes and no error then.
    /// </summary>
    /// <param name="slot">The place for the request.</param>
    /// <param name="written">The writes for which this thread is to be lent.</param>
    /// <param name="mayWait">False where all requests that are there are wanted before this thread is lent.</param>
    /// <param name="count">The request's length, in bytes.</param>
    public Errno Read(RequestSlot slot, WrittenFiles written, bool mayWait, out int count)
    {
        count = 0;
        if (_isWaiting != mayWait)
        {
            _isWaiting = mayWait;
            device.SetWaiting(_isWaiting);
        }

        if (written.AreDue || (_isWaiting && !written.IsEmpty))
        {
            return Errno.None;
        }

        Errno error = device.Read(slot.Buffer, out count);
        if (error != Errno.EAGAIN)
        {
            written.NoteRequest();
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
