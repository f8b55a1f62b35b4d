using NSubstitute;
using TpmFs.Clients;
using TpmFs.Rm;
using TpmFs.Rm.Manager;
using TpmFs.Simulation;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>The simulated TPM behind the real resource manager, which the test's own thread drives.</summary>
internal sealed class ManagedTpm : ITpmUnderTest
{
    private readonly SimulatedTpm _tpm;
    private readonly ResourceManager _manager;
    private readonly List<TpmAnswer> _answers = [];
    private int _opened;

    public ManagedTpm(TimeProvider time)
    {
        _tpm = new SimulatedTpm(new TpmParameters { Time = time });
        _manager = new ResourceManager(
            _tpm, new ResourceManagerOptions(), time, Substitute.For<IResourceManagerLog>());
        Assert.True(_manager.TryPrepare(out string problem), problem);
        Port = new TpmPort(
            0,
            (owner, client) => _manager.OpenSpace(owner, new AnswerTap(client, _opened++, time, _answers)),
            (_, _) => throw new InvalidOperationException("Nothing here is raw."),
            () => _manager.Facts,
            _manager.OpenGroup,
            _manager.EndGroup);
    }

    public TpmPort Port { get; }

    public bool HasRaw => false;

    public IEnumerable<TpmAnswer> TakeAnswers()
    {
        TpmAnswer[] taken = [.. _answers];
        _answers.Clear();
        return taken;
    }

    /// <summary>TPM2_GetRandom, of so many bytes that the answer says whose it is.</summary>
    public byte[] CommandOf(int number) => Cmd.GetRandom(1 + number % 32);

    public string? WhatIsWrong(byte[] command, bool isCancelled, byte[]? response)
    {
        const int Header = 10;
        int asked = command[^1];
        return response is null ? "there is no response"
            : response.Length == Header && isCancelled ? null
            : response.Length != Header + sizeof(ushort) + asked || response[Header + 1] != asked
                ? $"it is no answer for {asked} bytes: {Convert.ToHexString(response)}"
            : null;
    }

    public void Answer(int client, int what) => _manager.RunOne();

    public void AnswerAll()
    {
        while (_manager.RunOne())
        {
        }
    }

    public string? WhatIsWrong(int client, bool hasEnded) => null;

    public void Dispose()
    {
        _manager.Dispose();
        _tpm.Dispose();
    }
}
