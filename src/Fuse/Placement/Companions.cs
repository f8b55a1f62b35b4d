namespace TpmFs.Fuse.Placement;

/// <summary>
/// The processes that are placed with the reader: the TPMs of the daemon's own. One that somebody else has placed is
/// left where it is.
/// </summary>
internal sealed class Companions(IThreadControl threads, IReadOnlyList<Func<int>> processes)
{
    private readonly int[] _moved = new int[processes.Count];
    private readonly CpuSet _found = new();

    /// <summary>Moves them all.</summary>
    /// <param name="allowed">Where they run while nobody places them.</param>
    /// <param name="wanted">Where they are to run.</param>
    public void Move(CpuSet allowed, CpuSet wanted)
    {
        for (int i = 0; i < _moved.Length; i++)
        {
            int process = processes[i]();
            bool isOurs = process != 0 && threads.TryGetAffinity(process, _found)
                && (process == _moved[i] || _found.Equals(allowed));
            if (!isOurs)
            {
                _moved[i] = 0;
            }
            else if (_found.Equals(wanted) || threads.TrySetAffinity(process, wanted))
            {
                _moved[i] = process;
            }
        }
    }

    /// <summary>Lets those that were moved run anywhere again.</summary>
    public void Free(CpuSet allowed)
    {
        for (int i = 0; i < _moved.Length; i++)
        {
            if (_moved[i] != 0 && _moved[i] == processes[i]())
            {
                _ = threads.TrySetAffinity(_moved[i], allowed);
            }

            _moved[i] = 0;
        }
    }
}
