namespace TpmFs.Fuse.Session;

/// <summary>
/// Holds the writes that are answered and for which a thread is still to be lent, in their order, and tells whether
/// several files are written to at the same time. Owned by the holder of the turn.
/// </summary>
internal sealed class WrittenFiles
{
    /// <summary>After as many rounds with a single write each, one file is thought to be alone.</summary>
    private const int RoundsAlone = 16;

    /// <summary>
    /// As many requests are taken while a write waits. Clients may send requests so fast that there is always another.
    /// </summary>
    private const int RequestsBefore = 64;

    private readonly Queue<WrittenFile> _waiting = new();
    private WrittenFile _last;
    private int _rounds = RoundsAlone;
    private int _writes;
    private int _requests; // taken since a write began to wait; 0 where none waits

    /// <summary>
    /// True while several files are written to at the same time: the reading thread takes all requests that there are
    /// before it is lent for a write.
    /// </summary>
    public bool AreSeveral => _rounds < RoundsAlone;

    /// <summary>True when the first of the writes that wait has waited for enough other requests.</summary>
    public bool AreDue => _requests >= RequestsBefore;

    /// <summary>True when no write waits for a thread.</summary>
    public bool IsEmpty => _waiting.Count == 0;

    /// <summary>Notes a write.</summary>
    /// <returns>True when the last one was to the same file.</returns>
    public bool IsSameAgain(WrittenFile file)
    {
        bool isSame = file == _last;
        _last = file;
        return isSame;
    }

    /// <summary>Notes that a request was taken.</summary>
    public void NoteRequest() => _requests = IsEmpty ? 0 : _requests + 1;

    /// <summary>Others write at the same time.</summary>
    public void NoteSeveral() => _rounds = 0;

    /// <summary>Adds a write for which a thread is to be lent.</summary>
    public void Add(WrittenFile file)
    {
        _waiting.Enqueue(file);
        _writes++;
    }

    /// <summary>Takes the next write. There is one.</summary>
    public WrittenFile Take()
    {
        WrittenFile next = _waiting.Dequeue();
        _requests = 0;
        if (_waiting.Count == 0)
        {
            _rounds = _writes > 1 ? 0 : _rounds + 1;
            _writes = 0;
        }

        return next;
    }
}
