using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// No manager at all: everybody's commands go to a TPM with room for all. With one opener that is what the ideal TPM
/// is.
/// </summary>
/// <param name="spoil">
/// What it does wrong: gets each command and its answer, and gives the answer that the opener sees. Null does nothing
/// wrong.
/// </param>
internal sealed class PassThrough(Func<SimulatedTpm, byte[], Answer, Answer>? spoil = null) : IManagerUnderTest
{
    private readonly HashSet<uint> _handles = [];

    /// <summary>A TPM that nothing fills.</summary>
    public static TpmParameters Endless { get; } =
        new()
        {
            ObjectSlots = 1000,
            ReusesObjectHandles = false,
            SessionSlots = 200,
            ActiveSessionsMax = 1000,
            ContextGap = uint.MaxValue,
            CreateNeedsSlot = false,
            PersistentObjectsNeedSlot = false,
        };

    public SimulatedTpm Tpm { get; } = Started();

    public int Open(ModelOwner owner) => owner.Locality;

    public byte[] Execute(int opener, byte[] command)
    {
        var answer = new Answer(Tpm.Direct(command, (byte)opener));
        if (answer.IsSuccess && CommandTable.Find(CommandLog.CodeOf(command)) is { HasResponseHandle: true })
        {
            _handles.Add(answer.Handle);
        }

        return (spoil?.Invoke(Tpm, command, answer) ?? answer).Bytes;
    }

    /// <summary>Flushes all that is loaded.</summary>
    public void Close(int opener)
    {
        foreach (uint handle in Tpm.TransientHandles.Concat(Tpm.LoadedSessions).Where(_handles.Remove))
        {
            Tpm.Direct(Cmd.FlushContext(handle));
        }
    }

    public void Advance(TimeSpan time)
    {
    }

    public void Replace()
    {
    }

    public void Power(StartupKind kind) => Tpm.Reset();

    public void Dispose() => Tpm.Dispose();

    private static SimulatedTpm Started()
    {
        var tpm = new SimulatedTpm(Endless);
        tpm.Reset();
        return tpm;
    }
}
