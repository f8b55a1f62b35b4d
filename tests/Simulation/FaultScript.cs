using TpmFs.Tpm;

namespace TpmFs.Simulation;

/// <summary>Something that happens to one command instead of, or after, its execution.</summary>
/// <param name="Code">
/// A response code that the TPM answers without executing the command; success when it executes it.
/// </param>
/// <param name="Status">The end of the exchange; null when it ends well.</param>
/// <param name="Executes">With a status: whether the TPM had executed the command before the exchange ended.</param>
/// <param name="Then">Called when the exchange has ended, to do something to the TPM: it lost power, say.</param>
internal readonly record struct Fault(
    uint Code = Rc.Success, TransmitStatus? Status = null, bool Executes = false, Action? Then = null);

/// <summary>
/// The faults of a simulated TPM, in the order they were asked for; each looks at the commands that come after it was
/// asked for.
/// </summary>
internal sealed class FaultScript
{
    private readonly List<Planned> _planned = [];
    private RandomBytes? _random;
    private uint[] _warnings = [];
    private ulong _threshold;

    /// <summary>Faults that are still to come.</summary>
    public int Outstanding => _planned.Count;

    /// <summary>
    /// Answers a warning <paramref name="times"/> times, from the <paramref name="skip"/>+1-th command on (of that code
    /// only, when one is given).
    /// </summary>
    public void Warn(uint code, int times = 1, int skip = 0, uint? command = null) =>
        _planned.Add(new Planned(new Fault(code), times, skip, command));

    /// <summary>Ends an exchange without a response, before or after the TPM executed the command.</summary>
    public void Break(TransmitStatus status, bool executed, int skip = 0, uint? command = null, Action? then = null) =>
        _planned.Add(new Planned(new Fault(Status: status, Executes: executed, Then: then), 1, skip, command));

    /// <summary>
    /// From now on no command is answered: each exchange takes all the time that it may, which <paramref name="pass"/>
    /// lets pass.
    /// </summary>
    public void Hang(Action pass) =>
        _planned.Add(new Planned(new Fault(Status: TransmitStatus.TimedOut, Then: pass), int.MaxValue, 0, null));

    /// <summary>Drops what was planned.</summary>
    public void Clear() => _planned.Clear();

    /// <summary>
    /// From now on each command is answered with one of these warnings with this probability, the same on every run of
    /// a seed.
    /// </summary>
    public void WarnAtRandom(double probability, ulong seed, params uint[] codes)
    {
        _random = new RandomBytes(seed);
        _threshold = (ulong)(probability * ulong.MaxValue);
        _warnings = codes;
    }

    /// <summary>Returns what happens to the command that comes now.</summary>
    public Fault Next(uint command)
    {
        foreach (Planned plan in _planned)
        {
            if (plan.Command is { } only && only != command)
            {
                continue;
            }

            if (plan.Skip-- > 0)
            {
                continue;
            }

            if (--plan.Times == 0)
            {
                _planned.Remove(plan);
            }

            return plan.Fault;
        }

        return _random is not null && _random.Next() < _threshold
            ? new Fault(_warnings[_random.Next() % (ulong)_warnings.Length]) : default;
    }

    private sealed class Planned(Fault fault, int times, int skip, uint? command)
    {
        public Fault Fault => fault;

        public uint? Command => command;

        public int Times { get; set; } = times;

        public int Skip { get; set; } = skip;
    }
}
