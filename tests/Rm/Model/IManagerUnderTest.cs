using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>A resource manager over a simulated TPM, as the model drives it: one command at a time.</summary>
internal interface IManagerUnderTest : IDisposable
{
    /// <summary>The TPM underneath.</summary>
    SimulatedTpm Tpm { get; }

    /// <summary>Opens a handle space. The numbers are the adapter's; the model hands them back.</summary>
    int Open(ModelOwner owner);

    /// <summary>Submits a command and gives its response, letting as much (manual) time pass as that takes.</summary>
    byte[] Execute(int opener, byte[] command);

    /// <summary>Closes a handle space, and lets the manager clean up after it.</summary>
    void Close(int opener);

    /// <summary>Lets time pass with nothing to do.</summary>
    void Advance(TimeSpan time);

    /// <summary>Throws the manager away, and goes on with another one that knows what it held.</summary>
    void Replace();

    /// <summary>
    /// The machine sleeps (resume), hibernates (restart) or loses power (reset). Before a sleep or a hibernation the
    /// manager has the time to save everything. After a sleep the firmware has started the TPM; otherwise the TPM waits
    /// for a Startup(CLEAR), so that the manager cannot miss it.
    /// </summary>
    void Power(StartupKind kind);
}

/// <summary>The owner of a handle space. Saved sessions are shared among equal owners.</summary>
internal readonly record struct ModelOwner(uint Uid, string Group, byte Locality = 0);

/// <summary>The limits that the manager under test is set to, the same for all owners (SpaceLimits).</summary>
internal sealed record ModelLimits(int ObjectsMax = 64, int SessionsMax = 16, int SavedSessionsMax = 32);
