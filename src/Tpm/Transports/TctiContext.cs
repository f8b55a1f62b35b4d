namespace TpmFs.Tpm.Transports;

/// <summary>
/// A TCTI's functions. Each returns a TSS2_RC, which is <see cref="TctiRc.NotImplemented"/> where the TCTI lacks the
/// function. TCTIs are not synchronised, and neither is this class: callers hold <see cref="Calls"/>.
/// </summary>
internal sealed unsafe class TctiContext(
    TctiLibrary.CommonContext* context, delegate* unmanaged[Cdecl]<TctiLibrary.CommonContext**, void> finalize)
    : IDisposable
{
    private const int MaxPollHandles = 4;
    private TctiLibrary.CommonContext* _context = context;

    /// <summary>The lock that callers on several threads hold during each call.</summary>
    public Lock Calls { get; } = new();

    public uint Transmit(ReadOnlySpan<byte> command)
    {
        fixed (byte* bytes = command)
        {
            return _context->Transmit(_context, (nuint)command.Length, bytes);
        }
    }

    /// <param name="timeout">In milliseconds; -1 for no limit. Some TCTIs take any value for no limit.</param>
    /// <param name="size">The response's size in bytes; never more than the buffer's, whatever the TCTI says.</param>
    public uint Receive(Span<byte> response, int timeout, out int size)
    {
        size = 0;
        if (_context is null)
        {
            return TctiRc.NoConnection; // The TCTI was closed while a caller waited for its response.
        }

        nuint received = (nuint)response.Length;
        fixed (byte* bytes = response)
        {
            uint result = _context->Receive(_context, &received, bytes, timeout);
            size = (int)Math.Min(received, (nuint)response.Length);
            return received > (nuint)response.Length && result == TctiRc.Success ? TctiRc.InsufficientBuffer : result;
        }
    }

    public uint Cancel() => _context->Cancel is null ? TctiRc.NotImplemented : _context->Cancel(_context);

    public uint SetLocality(byte locality) =>
        _context->SetLocality is null ? TctiRc.NotImplemented : _context->SetLocality(_context, locality);

    /// <summary>
    /// Returns what to poll(2) for a response; empty where the TCTI does not say. Only POLLIN is asked for: some TCTIs
    /// name POLLOUT too, which is always true.
    /// </summary>
    public PollDescriptor[] PollHandles()
    {
        nuint count = MaxPollHandles;
        PollDescriptor* handles = stackalloc PollDescriptor[MaxPollHandles];
        bool known = _context->GetPollHandles is not null
            && _context->GetPollHandles(_context, handles, &count) == TctiRc.Success;
        var all = new Span<PollDescriptor>(handles, known ? (int)Math.Min(count, MaxPollHandles) : 0);
        foreach (ref PollDescriptor handle in all)
        {
            handle.Wanted = Polling.Input;
        }

        return all.ToArray();
    }

    public void Dispose()
    {
        if (_context is not null)
        {
            fixed (TctiLibrary.CommonContext** context = &_context)
            {
                finalize(context);
            }

            _context = null;
        }
    }
}
