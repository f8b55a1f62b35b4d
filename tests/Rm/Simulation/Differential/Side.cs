using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>One of the two TPMs that are compared, with what a client of it remembers: answers by name.</summary>
internal sealed class Side(Func<byte[], byte[]> execute, Action powerCycle, Action<byte> setLocality)
{
    private readonly Dictionary<string, Answer> _answers = [];

    /// <summary>The answer that was kept under this name; the empty one of a failure when there is none.</summary>
    public Answer this[string name]
    {
        get => _answers.GetValueOrDefault(name, new Answer(new byte[64]));
        set => _answers[name] = value;
    }

    public void PowerCycle() => powerCycle();

    public void SetLocality(byte locality) => setLocality(locality);

    public Answer Execute(byte[] command) => new(execute(command));
}
