namespace TpmFs.Fuse.Placement;

/// <summary>
/// Places the processes of TPMs: beside the reader, in its class, or apart. Apart they run on another CPU, in the usual
/// class, together with the thread that carries the commands out. One client with several commands under way gets more
/// done that way, since its own CPU is the limit.
/// </summary>
/// <remarks>The watching thread calls all members, except where a member says that another thread does.</remarks>
internal sealed class CompanionPlacement(IThreadControl threads, Companions companions, TimeProvider time)
{
    /// <summary>After as many commands to the same file in a row, clients do not use several files.</summary>
    private const int CommandsOfOne = 64;

    private readonly ApartTrial _trial = new(time);
    private readonly CpuSet _cpus = new();
    private long _commands;

    /// <summary>The last of the commands that a TPM could have carried out apart with advantage.</summary>
    private long _several = -CommandsOfOne;
    private int _apartCpu;
    private bool _hasApartCpu;
    private int _thread;
    private int _ballast;

    /// <summary>
    /// Gets or sets the thread that carries commands out while TPMs work apart; null where they never do. To be set
    /// before requests come.
    /// </summary>
    public ICommandThread? Commands { get; set; }

    /// <summary>True while TPMs work apart. Any thread.</summary>
    public bool AreApart => _trial.IsApart;

    /// <summary>How often TPMs stayed apart, since clients got more done. Any thread.</summary>
    public long TimesApart => _trial.Times;

    /// <summary>What the processes have waited for the reader's CPU, all together.</summary>
    public CpuWaits Waits => AreApart ? default : companions.Waits;

    /// <summary>Notes a command. The reading thread, at each write.</summary>
    /// <param name="mayBeApart">
    /// True where a TPM apart could bring something: the last command was to another file, and commands do not take
    /// long.
    /// </param>
    public void NoteCommand(bool mayBeApart)
    {
        long command = _commands + 1;
        Volatile.Write(ref _commands, command);
        if (mayBeApart)
        {
            Volatile.Write(ref _several, command);
        }
    }

    /// <summary>
    /// Decides anew whether TPMs are to work apart. To be called at each look while the reader is placed.
    /// </summary>
    /// <param name="isOneClient">True when one thread sends all requests.</param>
    /// <returns>True when <see cref="Move"/> is to be called, since the decision is another one.</returns>
    public bool Look(bool isOneClient)
    {
        bool wereApart = AreApart;
        if (wereApart && Commands!.IsStuck())
        {
            _trial.Fail();
        }
        else
        {
            long commands = Volatile.Read(ref _commands);
            bool areSeveral = commands - Volatile.Read(ref _several) < CommandsOfOne;
            _trial.Look(commands, Commands is not null && areSeveral && isOneClient);
        }

        if (wereApart && !AreApart)
        {
            EndApart();
        }
        else if (!wereApart && AreApart)
        {
            Commands!.Open();
        }

        return AreApart != wereApart;
    }

    /// <summary>Moves the processes to where they are to run.</summary>
    /// <param name="allowed">Where they run while nobody places them: two CPUs at least.</param>
    /// <param name="reader">The reader's CPU.</param>
    /// <param name="isIdle">True where the reader is in class SCHED_IDLE.</param>
    /// <returns>True when other processes are moved than before.</returns>
    public bool Move(CpuSet allowed, int reader, bool isIdle)
    {
        _cpus.Clear();
        if (!AreApart)
        {
            _cpus.Add(reader);
            return companions.Move(allowed, _cpus, isIdle);
        }

        bool isNew = !_hasApartCpu || _apartCpu == reader || !allowed.Contains(_apartCpu);
        _apartCpu = isNew ? allowed.Next(_apartCpu, except: reader) : _apartCpu;
        _hasApartCpu = true;
        _cpus.Add(_apartCpu);
        Pin(ref _thread, Commands!.Id, isNew);
        if (Pin(ref _ballast, Commands.BallastId, isNew) && isIdle)
        {
            _ = threads.TrySetClass(_ballast, SchedulingClass.Idle);
        }

        return companions.Move(allowed, _cpus, isIdle: false);
    }

    /// <summary>Lets everything run where and as it would without this.</summary>
    public void Free(CpuSet allowed)
    {
        companions.Free(allowed);
        if (AreApart)
        {
            _trial.End();
            EndApart();
        }

        Unpin(ref _thread, allowed);
        Unpin(ref _ballast, allowed);
    }

    /// <summary>The next trial takes another CPU, which may be a better one.</summary>
    private void EndApart()
    {
        Commands!.Close();
        _hasApartCpu = false;
    }

    /// <returns>True when the thread was not pinned before.</returns>
    private bool Pin(ref int pinned, int thread, bool isNew)
    {
        if (thread == 0)
        {
            return false;
        }

        bool isFirst = thread != pinned;
        if (isFirst || isNew)
        {
            pinned = thread;
            threads.Claim(thread);
            _ = threads.TrySetAffinity(thread, _cpus);
        }

        return isFirst;
    }

    private void Unpin(ref int pinned, CpuSet allowed)
    {
        if (pinned != 0)
        {
            _ = threads.TrySetAffinity(pinned, allowed);
            threads.LeaveIdleClass(pinned);
            threads.Disclaim(pinned);
            pinned = 0;
        }
    }
}
