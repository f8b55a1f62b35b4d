using TpmFs.Mirror;
using TpmFs.Rm;
using TpmFs.Rm.Manager;
using TpmFs.Simulation;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Benchmarks;

/// <summary>
/// A resource manager on a TPM that takes no time, and an opener of it that holds a key and a session. One thread.
/// </summary>
internal sealed class Machine : ISpaceClient, IResourceManagerLog
{
    private readonly byte[] _response = new byte[4096];

    /// <param name="isMirrored">True for a manager that another one could go on from.</param>
    public Machine(bool isMirrored = false)
    {
        var tpm = new RepeatingTpm(new SimulatedTpm());
        ManagerMirror? mirror = isMirrored ? NewMirror() : null;
        Manager = new ResourceManager(tpm, new ResourceManagerOptions(), TimeProvider.System, this, mirror);
        if (!Manager.TryPrepare(out string problem))
        {
            throw new InvalidOperationException(problem);
        }

        Space = Manager.OpenSpace(Owner, this);
        tpm.IsRepeating = true;
        uint key = Make(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        uint session = Make(Cmd.StartAuthSession(SessionType.Hmac));
        Sign = Cmd.Sign(key, "text", Auth.Password(), Auth.AuditSession(session));
    }

    public static SpaceOwner Owner { get; } =
        new(new SchedulingGroup(new GroupId(1), "root", new SpaceLimits()), Uid: 1000, Locality: 0);

    public ResourceManager Manager { get; }

    public Space Space { get; }

    /// <summary>A command that names the key and the session.</summary>
    public byte[] Sign { get; }

    /// <summary>A command that names nothing.</summary>
    public byte[] Random { get; } = Cmd.GetRandom(8);

    /// <summary>A command on its whole way, on this thread.</summary>
    public void Run(byte[] command)
    {
        Space.TrySubmit(command, lends: true);
        Space.Lend();
    }

    public void Completed(ReadOnlySpan<byte> response) => response.CopyTo(_response);

    public void Denied(TpmCc command) => throw new InvalidOperationException($"{command} was denied.");

    public void Failed(SpaceFailure failure) => throw new InvalidOperationException($"A command failed: {failure}.");

    public void TpmLost(string problem) => throw new InvalidOperationException(problem);

    public void TpmFound(TpmFacts facts) => throw new InvalidOperationException("The TPM was not there at the start.");

    public void TpmBack(TpmReturn how) => throw new InvalidOperationException($"The TPM was away: {how}.");

    public void SessionTaken(SpaceOwner from, TpmHandle session) =>
        throw new InvalidOperationException($"{session} was taken.");

    public void Fault(Exception exception) => throw new InvalidOperationException("The manager has a bug.", exception);

    private static ManagerMirror NewMirror()
    {
        Errno error = SharedMemory.Create("tpm0", 16 * 1024 * 1024, out SharedMemory? memory);
        return !error.IsError && ManagerMirror.TryOpen(
            RecordStore.Create(memory!.Memory, ManagerMirror.Format), TimeProvider.System, out ManagerMirror? mirror,
            out _)
            ? mirror : throw new InvalidOperationException($"There is no mirror to be had ({error}).");
    }

    private uint Make(byte[] command)
    {
        Run(command);
        return TpmHandle.Read(_response.AsSpan(TpmResponse.HandleOffset)).Value;
    }
}
