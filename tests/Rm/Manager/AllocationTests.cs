using TpmFs.Mirror;
using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>
/// A command on a working set that fits makes no garbage on its way through the manager, which writes itself through to
/// its mirror.
/// </summary>
public sealed class AllocationTests : IDisposable
{
    private readonly RepeatingTpm _tpm = new(new SimulatedTpm());
    private readonly ResourceManager _manager;
    private readonly QuietClient _client = new();
    private readonly Space _space;

    public AllocationTests()
    {
        var time = new ManualTime();
        var store = RecordStore.Create(new byte[1024 * 1024], ManagerMirror.Format);
        Assert.True(ManagerMirror.TryOpen(store, time, out ManagerMirror? mirror, out string damage), damage);
        _manager = new ResourceManager(_tpm, new ResourceManagerOptions(), time, new RecordingLog(), mirror);
        Assert.True(_manager.TryPrepare(out string problem), problem);
        _space = _manager.OpenSpace(Owners.New(uid: 1000), _client);
    }

    [Fact]
    public void GetRandom_allocates_nothing() => AssertNothingIsAllocated(Cmd.GetRandom(8));

    [Fact]
    public void A_command_with_a_key_and_a_session_allocates_nothing()
    {
        uint key = Make(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        uint session = Make(Cmd.StartAuthSession(SessionType.Hmac));
        AssertNothingIsAllocated(Cmd.Sign(key, "text", Auth.Password(), Auth.AuditSession(session)));
    }

    [Fact]
    public void ReadPublic_that_is_answered_from_memory_allocates_nothing()
    {
        uint key = Make(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        AssertNothingIsAllocated(Cmd.ReadPublic(key));
    }

    public void Dispose()
    {
        _manager.Dispose();
        _tpm.Dispose();
    }

    /// <summary>The handle that a command made.</summary>
    private uint Make(byte[] command)
    {
        Send(command);
        return new Answer(_client.Response[.._client.Length]).Handle;
    }

    private void AssertNothingIsAllocated(byte[] command)
    {
        _tpm.IsRepeating = true;
        long allocated = SteadyWork.AllocatedBy(() => Send(command));
        Assert.True(new Answer(_client.Response[.._client.Length]).IsSuccess);
        Assert.Equal(0, allocated);
    }

    /// <summary>As an opener's thread does that carries its command out.</summary>
    private void Send(byte[] command)
    {
        _client.Length = 0;
        if (_space.TrySubmit(command, lends: true))
        {
            _space.Lend();
        }

        if (_client.Length == 0)
        {
            Assert.Fail("The command was not carried out.");
        }
    }

    private sealed class QuietClient : ISpaceClient
    {
        public byte[] Response { get; } = new byte[4096];

        public int Length { get; set; }

        public void Completed(ReadOnlySpan<byte> response)
        {
            response.CopyTo(Response);
            Length = response.Length;
        }

        public void Denied(TpmCc command)
        {
        }

        public void Failed(SpaceFailure failure)
        {
        }
    }
}
