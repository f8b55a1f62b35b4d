using TpmFs.Fuse.Session;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>Requests as a thread of a session handles them: into its slot, served, and wiped.</summary>
internal static class SlotDispatch
{
    private const int Room = 1 << 20;

    /// <summary>Returns a slot for any request.</summary>
    public static RequestSlot NewSlot() =>
        new(RecordArea.Reserve(null, kind: 0, id: 0, RequestSlot.LengthFor(Room)), Room);

    /// <summary>Serves one request.</summary>
    public static WrittenFile? Dispatch(
        this RequestDispatcher dispatcher, ReadOnlySpan<byte> request, RequestSlot slot, bool isRepeated = false)
    {
        request.CopyTo(slot.Buffer);
        WrittenFile? written = dispatcher.Dispatch(slot, request.Length, isRepeated);
        slot.Clear(request.Length);
        return written;
    }
}
