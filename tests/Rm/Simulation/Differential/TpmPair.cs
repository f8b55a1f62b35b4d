using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>
/// Sends the same to a simulated and to a real TPM, and demands the same answer as far as it does not hang on
/// randomness.
/// </summary>
internal sealed class TpmPair : IDisposable
{
    private readonly RealTpm _real = new();
    private readonly List<string> _history = [];
    private readonly List<string> _differences = [];
    private readonly Side _simulatedSide;
    private readonly Side _realSide;
    private byte _locality;

    public TpmPair()
    {
        Simulated = new SimulatedTpm();
        _simulatedSide =
            new Side(c => Simulated.Direct(c, _locality), Simulated.PowerCycle, locality => _locality = locality);
        _realSide = new Side(c => _real.Execute(c), _real.PowerCycle, _real.SetLocality);
    }

    public SimulatedTpm Simulated { get; }

    /// <summary>The simulated side, to look at what it remembers.</summary>
    public Side Left => _simulatedSide;

    /// <summary>The same bytes for both.</summary>
    public Answer Send(byte[] command, string? keep = null) => Send(_ => command, keep);

    /// <summary>
    /// A command of each side's own remembered answers. Its answer is kept under a name, when one is given and it
    /// succeeded.
    /// </summary>
    public Answer Send(Func<Side, byte[]> build, string? keep = null)
    {
        (Answer simulated, Answer real) = (Run(_simulatedSide, build, keep), Run(_realSide, build, keep));
        _history.Add($"    {keep} {Convert.ToHexString(build(_simulatedSide))} -> {real.Code:X}");
        Same(real, simulated, CommandLog.CodeOf(build(_simulatedSide)));
        return simulated;
    }

    public void PowerCycle() => Each(s => s.PowerCycle());

    public void SetLocality(byte locality) => Each(s => s.SetLocality(locality));

    /// <summary>The number of commands before a difference that are shown with it.</summary>
    public int Context { get; set; } = 1;

    /// <summary>Fails when there was any difference, and shows all of them.</summary>
    public void Dispose()
    {
        _real.Dispose();
        Assert.True(_differences.Count == 0, string.Join('\n', _differences));
    }

    private static Answer Run(Side side, Func<Side, byte[]> build, string? keep)
    {
        Answer answer = side.Execute(build(side));
        if (keep is not null && answer.IsSuccess)
        {
            side[keep] = answer;
        }

        return answer;
    }

    private void Each(Action<Side> act)
    {
        act(_simulatedSide);
        act(_realSide);
    }

    private void Same(Answer real, Answer simulated, uint command)
    {
        (string? expected, string? actual) = (Comparable.Of(command, real), Comparable.Of(command, simulated));
        if (expected != actual && _differences.Count < 20)
        {
            _differences.Add(
                $"a real TPM: {expected}, the simulated one: {actual}, "
                + $"to the last of\n"
                + $"{string.Join('\n', _history.TakeLast(Context))}");
        }
    }
}
