using System.Diagnostics.CodeAnalysis;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Serilog;
using TpmFs.Logs;
using TpmFs.Mirror;

namespace TpmFs.HandOver;

/// <summary>
/// The memories in which this daemon keeps all that the next one needs, and in which it finds what the one before kept.
/// </summary>
/// <param name="inherited">The descriptors that the daemon before left.</param>
/// <param name="kept">The descriptors that this daemon leaves.</param>
internal sealed class Mirrors(InheritedDescriptors inherited, KeptDescriptors kept, ILogger log)
{
    /// <summary>
    /// In bytes; the kernel gives a page where something is written. It holds 4096 openers with 64 objects each.
    /// </summary>
    private const int Size = 1 << 30;

    /// <summary>
    /// The most daemons in a row that may end while they take a mirror over; the next one begins anew.
    /// </summary>
    private const uint MostAttempts = 3;

    /// <summary>Kinds of records from here on are this class's, in every mirror.</summary>
    private const byte HistoryKind = 254;

    private const byte SubjectKind = 255;

    private readonly List<MirrorHistory> _histories = [];

    /// <summary>
    /// Opens a mirror: the one that the daemon before left under this name, or a new one where there is none or it
    /// cannot be used.
    /// </summary>
    /// <param name="name">The descriptor's name.</param>
    /// <param name="subject">The subject of the mirror's records. A mirror with another subject is not used.</param>
    /// <param name="format">The format of the records that the caller reads and writes.</param>
    /// <param name="isThere">True when what the mirror is about is older than this daemon.</param>
    public OpenedMirror Open(string name, string subject, uint format, bool isThere)
    {
        string problem = "";
        RecordStore? store = null;
        bool isAdopted = inherited.Take(name) is { } left
            && TryAdopt(left, name, subject, format, out store, out problem);
        store = isAdopted ? store : Begin(name, subject, format, isThere);
        return new OpenedMirror(
            store, isAdopted, store is not null && _histories[^1].IsYounger, isAdopted ? "" : problem);
    }

    /// <summary>Begins a mirror, in the place of one that has this name.</summary>
    /// <returns>Null where the kernel gives no memory.</returns>
    public RecordStore? Begin(string name, string subject, uint format, bool isThere)
    {
        Errno error = SharedMemory.Create($"tpmfs-{name}", Size, out SharedMemory? memory);
        if (memory is not null && TryBegin(memory, subject, format, isThere, out RecordStore? store))
        {
            Watch(store);
            kept.Keep(name, memory.Descriptor);
            return store;
        }

        ((IDisposable?)memory)?.Dispose();
        log.Of(EventType.NotTakenOver).Warning(
            "openers end when this daemon ends, because it gets no memory that outlives it ({Error})",
            (memory is null ? error : Errno.ENOSPC).Text());
        return null;
    }

    /// <summary>Gets the number of takeovers of the mirrors' subject: by this daemon, and by those before it.</summary>
    public uint Takeovers => _histories.Count == 0 ? 0 : _histories.Max(history => history.Takeovers);

    /// <summary>
    /// Records that this daemon serves with what it took over, so that the next one need not fear it.
    /// </summary>
    public void Prove() => _histories.ForEach(history => history.Attempts = 0);

    /// <summary>Writes the first records. Returns false when there is no memory for them.</summary>
    private bool TryBegin(
        SharedMemory memory, string subject, uint format, bool isThere, [NotNullWhen(true)] out RecordStore? store)
    {
        store = RecordStore.TryCreate(memory.Memory, format, new MirrorPages(memory));
        RecordPlace about = default;
        RecordPlace history = default;
        store?.PutNow(ref about, SubjectKind, 0, Encoding.UTF8.GetBytes(subject));
        Memory<byte> area = store?.Reserve(ref history, HistoryKind, 0, MirrorHistory.Length) ?? default;
        if (store is null || about.IsNowhere || area.IsEmpty)
        {
            return false;
        }

        _histories.Add(new MirrorHistory(area) { IsYounger = isThere });
        return true;
    }

    /// <summary>Says, once, when records are lost because there is no memory for them.</summary>
    private void Watch(RecordStore store)
    {
        int said = 0;
        store.WhenFull = () =>
        {
            if (Interlocked.Exchange(ref said, 1) == 0)
            {
                log.Of(EventType.NotTakenOver).Warning(
                    "the memory that outlives this daemon is full: if the daemon ends now, some openers end with it");
            }
        };
#if KILL_SWITCH
        store.AfterWrite = KillSwitch.Count;
#endif
    }

    private bool TryAdopt(
        SafeFileHandle left, string name, string subject, uint format, out RecordStore? store, out string problem)
    {
        store = null;
        if (!SharedMemory.TryAdopt(left, out SharedMemory? memory, out problem))
        {
            left.Dispose();
            return false;
        }

        if (RecordStore.TryAdopt(memory.Memory, format, out RecordStore? found, out problem, new MirrorPages(memory))
            && IsAbout(found, subject, out problem) && MayTry(found, out problem))
        {
            store = found;
            Watch(store);
            kept.KeepOn(name, memory.Descriptor);
            return true;
        }

        ((IDisposable)memory).Dispose();
        return false;
    }

    private static bool IsAbout(RecordStore found, string subject, out string problem)
    {
        StoredRecord record = found.Records.FirstOrDefault(record => record.Kind == SubjectKind);
        string about = record.Place.IsNowhere ? "" : Encoding.UTF8.GetString(found.Read(record.Place));
        problem = about == subject ? "" : $"it is about {OutsideText.Line(about)}";
        return about == subject;
    }

    private bool MayTry(RecordStore found, out string problem)
    {
        problem = "it was not begun in order";
        StoredRecord record = found.Records.FirstOrDefault(record => record.Kind == HistoryKind);
        if (record.Place.IsNowhere || found.Area(record.Place) is not { Length: MirrorHistory.Length } area)
        {
            return false;
        }

        var history = new MirrorHistory(area);
        if (history.Attempts >= MostAttempts)
        {
            problem = $"{history.Attempts} daemons ended while they took it over";
            return false;
        }

        history.Attempts++;
        history.Takeovers++;
        _histories.Add(history);
        problem = "";
        return true;
    }
}

/// <summary>A mirror that was opened.</summary>
/// <param name="Store">Null where there is no memory for one.</param>
/// <param name="IsAdopted">True when an earlier daemon's records are in it.</param>
/// <param name="IsYounger">
/// True when it was begun while what it is about was there already, so that records of it are missing.
/// </param>
/// <param name="Problem">The reason why an earlier daemon's mirrors are not used; empty when there are none.</param>
internal readonly record struct OpenedMirror(RecordStore? Store, bool IsAdopted, bool IsYounger, string Problem);

/// <summary>The pages of a mirror's memory.</summary>
internal sealed class MirrorPages(SharedMemory memory) : IStorePages
{
    public bool TryPopulate(int offset, int length) => memory.TryPopulate(offset, length);

    public void Release(int offset, int length) => memory.Release(offset, length);
}
