using TpmFs.Rm.Tests.Model;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>The model agrees where there is nothing to manage, and sees what is wrong.</summary>
public sealed class ModelTests
{
    private const uint ActiveAvailable = 0x206;

    private static readonly ModelSettings s_alone =
        new(Openers: 1, new ModelLimits(ObjectsMax: 1000, SessionsMax: 200, SavedSessionsMax: 1000))
        {
            HasPower = false,
            ListsHandlesLocally = false,
            Uncompared = [ActiveAvailable]
        };

    [Fact]
    public void A_tpm_with_room_for_all_is_ideal_for_one_opener() =>
        ManagerModel.Check(s_alone, () => new PassThrough(), runs: 300);

    [Fact]
    public void It_stays_ideal_for_a_long_time() =>
        Assert.Null(ManagerModel.Soak(s_alone, () => new PassThrough(), seed: 1, commands: 20_000));

    [Theory]
    [InlineData(nameof(ForgetsToFlush))]
    [InlineData(nameof(FlushesTheWrongSession))]
    [InlineData(nameof(UsesAnotherKey))]
    [InlineData(nameof(EndsExclusiveAudit))]
    [InlineData(nameof(HidesAHandle))]
    [InlineData(nameof(EndsASequenceThatFailed))]
    public void A_fault_is_found_and_shrunk_to_a_few_actions(string fault)
    {
        Func<SimulatedTpm, byte[], Answer, Answer> spoil = fault switch
        {
            nameof(ForgetsToFlush) => ForgetsToFlush,
            nameof(FlushesTheWrongSession) => FlushesTheWrongSession,
            nameof(UsesAnotherKey) => UsesAnotherKey,
            nameof(EndsExclusiveAudit) => EndsExclusiveAudit,
            nameof(HidesAHandle) => HidesAHandle,
            _ => EndsASequenceThatFailed,
        };
        Exception found =
            Assert.ThrowsAny<Exception>(() => ManagerModel.Check(s_alone, () => new PassThrough(spoil), runs: 2000));
        Assert.Contains("Shrunk", found.Message, StringComparison.Ordinal);
    }

    /// <summary>Says that an object is flushed, and keeps it.</summary>
    private static Answer ForgetsToFlush(SimulatedTpm tpm, byte[] command, Answer answer)
    {
        if (answer.IsSuccess && CommandLog.CodeOf(command) == Cmd.FlushContextCode && command[10] == Handles.Transient)
        {
            tpm.Direct(Cmd.HashSequenceStart(Hashes.Sha256));
        }

        return answer;
    }

    private static Answer FlushesTheWrongSession(SimulatedTpm tpm, byte[] command, Answer answer)
    {
        if (CommandLog.CodeOf(command) == Cmd.FlushContextCode && !answer.IsSuccess
            && tpm.LoadedSessions is [var first, ..])
        {
            tpm.Direct(Cmd.FlushContext(first));
        }

        return answer;
    }

    private static Answer UsesAnotherKey(SimulatedTpm tpm, byte[] command, Answer answer)
    {
        bool isSign = answer.IsSuccess && CommandLog.CodeOf(command) == 0x15D;
        return isSign && tpm.TransientHandles is [_, var second, ..] && command[13] == 0
            ? new Answer([.. answer.Bytes[..^10], .. new byte[10]]) : answer;
    }

    private static Answer EndsExclusiveAudit(SimulatedTpm tpm, byte[] command, Answer answer)
    {
        if (CommandLog.CodeOf(command) == Cmd.ContextLoadCode)
        {
            tpm.Direct(Cmd.ReadClock());
        }

        return answer;
    }

    private static Answer HidesAHandle(SimulatedTpm tpm, byte[] command, Answer answer)
    {
        byte[] bytes = answer.Bytes;
        if (answer.IsSuccess && CommandLog.CodeOf(command) == 0x17A && bytes.Length >= 27 && bytes[14] == 1
            && bytes[19] == Handles.Transient)
        {
            bytes[22] ^= 1;
        }

        return answer;
    }

    private static Answer EndsASequenceThatFailed(SimulatedTpm tpm, byte[] command, Answer answer)
    {
        if (!answer.IsSuccess && CommandLog.CodeOf(command) == 0x13E)
        {
            tpm.Direct(Cmd.FlushContext(0x80000000));
        }

        return answer;
    }
}
