using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>Keeps what the manager tells; a bug that it reports fails the test at once.</summary>
internal sealed class RecordingLog : IResourceManagerLog
{
    public List<string> Entries { get; } = [];

    public void TpmLost(string problem) => Entries.Add($"lost: {problem}");

    public void TpmFound(TpmFacts facts) => Entries.Add($"found: {facts.Family}");

    public void TpmBack(TpmReturn how) => Entries.Add($"back: {how}");

    public void SessionTaken(SpaceOwner from, TpmHandle session) => Entries.Add($"taken: {from.Uid} {session}");

    public void Fault(Exception exception) => throw (
        exception as ProcessDied ?? (Exception)new InvalidOperationException("The manager has a bug.", exception));
}
