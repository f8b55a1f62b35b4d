namespace TpmFs.Integration.Tests.Harness;

/// <summary>The objects and sessions that a TPM reports.</summary>
internal sealed record TpmContents(
    IReadOnlyList<uint> Objects, IReadOnlyList<uint> LoadedSessions, IReadOnlyList<uint> SavedSessions)
{
    public static TpmContents Of(ITpmChannel tpm) => new(
        tpm.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList(),
        tpm.Transact(Tpm2.ListHandles(Tpm2.LoadedSessions)).HandleList(),
        tpm.Transact(Tpm2.ListHandles(Tpm2.SavedSessions)).HandleList());

    public bool IsEmpty => Objects.Count + LoadedSessions.Count + SavedSessions.Count == 0;

    public override string ToString() =>
        $"objects [{Hex(Objects)}], loaded sessions [{Hex(LoadedSessions)}], saved sessions [{Hex(SavedSessions)}]";

    private static string Hex(IEnumerable<uint> handles) => string.Join(' ', handles.Select(handle => $"{handle:X8}"));
}
