using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// Maps the handles that the openers got so far, by the numbers of the manager's side, to the numbers of the ideal
/// side. A number means the right thing, mostly; sometimes it is another opener's handle, one the TPM itself uses, a
/// session under its other type byte, or no handle.
/// </summary>
internal sealed class References(int openers, bool wrongOnes)
{
    private const int Kept = 12;

    private readonly List<uint>[] _objects = [.. Enumerable.Range(0, openers).Select(_ => new List<uint>())];
    private readonly List<uint>[] _sessions = [.. Enumerable.Range(0, openers).Select(_ => new List<uint>())];
    private readonly Dictionary<(int Opener, uint Handle), uint> _idealObjects = [];
    private readonly Dictionary<uint, uint> _idealSessions = [];
    private readonly List<(byte[] Manager, byte[] Ideal)> _contexts = [];
    private readonly List<(byte[] Private, byte[] Public)> _created = [];

    public uint Object(int opener, int what)
    {
        int nth = what / 16;
        return (wrongOnes ? what % 16 : 0) switch
        {
            12 => Pick(_objects[(opener + 1 + nth) % openers], nth, Handles.FirstTransient),
            13 => Handles.FirstTransient + ((uint)nth % 6),
            14 => 0x81000000 + ((uint)nth % 2),
            15 => (uint[])[Handles.FirstTransient + Handles.IndexMask, Handles.Owner, 0x90000000,
                Pick(_sessions[opener], nth, 0x02000000)] is var odd ? odd[nth % odd.Length] : 0,
            _ => Pick(_objects[opener], nth, Handles.FirstTransient),
        };
    }

    public uint Session(int opener, int what)
    {
        int nth = what / 16;
        return (wrongOnes ? what % 16 : 0) switch
        {
            12 => Pick(_sessions[(opener + 1 + nth) % openers], nth, 0x02000000),
            13 => 0x02000000 + ((uint)nth % 6),
            14 => Pick(_sessions[opener], nth, 0x02000000) ^ 0x01000000,
            15 => Pick(_sessions[(opener + 1 + nth) % openers], nth, 0x02000000) ^ 0x01000000,
            _ => Pick(_sessions[opener], nth, 0x02000000),
        };
    }

    /// <summary>The n-th context that anybody saved, for each side; null when there is none.</summary>
    public (byte[] Manager, byte[] Ideal)? Context(int n) =>
        _contexts.Count == 0 ? null : _contexts[n % _contexts.Count];

    /// <summary>The n-th key that anybody created, which is the same on both sides.</summary>
    public (byte[] Private, byte[] Public)? Created(int n) => _created.Count == 0 ? null : _created[n % _created.Count];

    public void AddObject(int opener, uint manager, uint ideal)
    {
        Keep(_objects[opener], manager);
        _idealObjects[(opener, manager)] = ideal;
    }

    public void AddSession(int opener, uint manager, uint ideal)
    {
        Keep(_sessions[opener], manager);
        _idealSessions[Handles.IndexOf(manager)] = Handles.IndexOf(ideal);
    }

    public void AddContext(byte[] manager, byte[] ideal) => Keep(_contexts, (manager, ideal));

    public void AddCreated(byte[] privatePart, byte[] publicPart) => Keep(_created, (privatePart, publicPart));

    /// <summary>An opener starts anew: what it had means nothing any more.</summary>
    public void Reopened(int opener)
    {
        _objects[opener].Clear();
        foreach ((int Opener, uint Handle) key in _idealObjects.Keys.Where(k => k.Opener == opener).ToArray())
        {
            _idealObjects.Remove(key);
        }
    }

    /// <summary>
    /// What a number of the manager's side is on the ideal side; something that is never there, when it is nothing
    /// here.
    /// </summary>
    public uint Ideal(int opener, uint handle) => Handles.TypeOf(handle) switch
    {
        Handles.Transient when handle <= Handles.LastTransient =>
            _idealObjects.GetValueOrDefault((opener, handle), Handles.LastTransient),
        Handles.HmacSession
            or Handles.PolicySession => (handle & ~Handles.IndexMask)
                | _idealSessions.GetValueOrDefault(Handles.IndexOf(handle), Handles.IndexMask - 1),
        _ => handle,
    };

    private static uint Pick(List<uint> from, int n, uint otherwise) =>
        from.Count == 0 ? otherwise : from[^(1 + (n % from.Count))];

    private static void Keep<T>(List<T> list, T item)
    {
        list.Remove(item);
        list.Add(item);
        if (list.Count > Kept)
        {
            list.RemoveAt(0);
        }
    }
}
