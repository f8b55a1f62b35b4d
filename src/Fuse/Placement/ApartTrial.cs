namespace TpmFs.Fuse.Placement;

/// <summary>
/// Decides whether TPMs work on another CPU than the reader ("apart"). It tries that, and stays with it while clients
/// get more commands done than beside the reader.
/// </summary>
/// <remarks>
/// Only the count tells. The other CPU may be busy, asleep or far away, and a client that waits for each answer before
/// it sends the next command gains nothing from a second CPU. The watching thread calls all members, except where a
/// member says that any thread may.
/// </remarks>
internal sealed class ApartTrial(TimeProvider time)
{
    /// <summary>Looks for which commands are counted. The look after a change only begins to count.</summary>
    private const int CountedLooks = 4;

    /// <summary>As many times more commands make it worth going apart.</summary>
    private const double WorthIt = 1.1;

    /// <summary>
    /// What remains of an earlier count beside the reader at each new one. TPMs apart have to beat the best moments
    /// beside the reader: on a busy machine one moment has ten times the commands of the next.
    /// </summary>
    private const double Remembered = 0.9;

    /// <summary>As many counts in a row with fewer commands than beside the reader end it.</summary>
    private const int Worse = 2;

    /// <summary>Short, since a trial that fails costs the clients some milliseconds only.</summary>
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(0.5);

    /// <summary>
    /// After so long the commands beside the reader are counted anew, and after twice as long each time that TPMs went
    /// apart again.
    /// </summary>
    private static readonly TimeSpan s_firstStay = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan s_longestStay = TimeSpan.FromSeconds(2);

    private readonly Pauses _pauses = new(time, s_longestPause);
    private volatile bool _isApart;
    private bool _isProven;
    private bool _hasFailed;
    private int _looks;
    private long _commands;
    private long _counted;
    private long _apart;
    private double _beside;
    private int _worse;
    private TimeSpan _stay = s_firstStay;
    private long _times;

    /// <summary>True while TPMs are to work apart. Any thread.</summary>
    public bool IsApart => _isApart;

    /// <summary>How often TPMs stayed apart, since that was better. Any thread.</summary>
    public long Times => Volatile.Read(ref _times);

    /// <summary>Looks at what clients got done since the last look, and decides anew.</summary>
    /// <param name="commands">How many commands there were in all.</param>
    /// <param name="mayBeApart">False where nothing can be won.</param>
    public void Look(long commands, bool mayBeApart)
    {
        if (!mayBeApart)
        {
            End();
        }
        else if (_looks++ == 0)
        {
            Count(commands);
        }
        else if (_looks > CountedLooks)
        {
            Judge((commands - _commands) / time.GetElapsedTime(_counted).TotalSeconds);
            _looks = Math.Min(_looks, 1);
            Count(commands);
        }
    }

    /// <summary>TPMs work beside the reader again, or nothing is placed.</summary>
    public void End()
    {
        _isApart = false;
        _looks = 0;
    }

    /// <summary>TPMs apart keep somebody waiting: they work beside the reader for a while.</summary>
    public void Fail()
    {
        _pauses.Begin(isAgain: _hasFailed);
        (_hasFailed, _stay) = (true, s_firstStay);
        End();
    }

    private void Count(long commands)
    {
        _commands = commands;
        _counted = time.GetTimestamp();
    }

    private void Judge(double rate)
    {
        if (!_isApart)
        {
            _beside = Math.Max(rate, _beside * Remembered);
            TryApart();
        }
        else if (rate >= _beside * (_isProven ? 1 : WorthIt))
        {
            Stay();
        }
        else if (!_isProven || ++_worse == Worse)
        {
            Fail();
        }
    }

    private void TryApart()
    {
        if (!_pauses.IsOn)
        {
            (_isProven, _apart, _looks, _worse) = (false, time.GetTimestamp(), 0, 0);
            _isApart = true;
        }
    }

    private void Stay()
    {
        _times += _isProven ? 0 : 1;
        (_isProven, _hasFailed, _worse) = (true, false, 0);
        if (time.GetElapsedTime(_apart) > _stay)
        {
            _stay = _stay < s_longestStay / 2 ? _stay * 2 : s_longestStay;
            End();
        }
    }
}
