using System.Diagnostics.CodeAnalysis;
using TpmFs.Mirror;
using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Manager;

/// <summary>
/// Represents what a manager writes through while it works, so that another manager can go on with it at any moment, on
/// the same machine and since the same boot. A mirror serves one manager.
/// </summary>
public sealed class ManagerMirror
{
    /// <summary>
    /// The format of the store's records. It grows with every change of what they contain. tests/Rm/Ledger/Recorded has
    /// a mirror of each format; the README there says how to record the next one.
    /// </summary>
    public const uint Format = 1;

    private ManagerMirror(TpmLedger ledger, bool isAdopted)
    {
        Ledger = ledger;
        IsAdopted = isAdopted;
    }

    /// <summary>True when an earlier manager wrote to it.</summary>
    public bool IsAdopted { get; }

    internal TpmLedger Ledger { get; }

    /// <summary>Reads what the last manager wrote to a store, or begins a store that is empty.</summary>
    /// <param name="store">Of <see cref="Format"/>. Its records are not trusted.</param>
    /// <param name="time">The clock of the manager that goes on.</param>
    /// <param name="problem">
    /// The reason why the store cannot be used: a sentence whose subject "it" is the store.
    /// </param>
    public static bool TryOpen(
        RecordStore store, TimeProvider time, [NotNullWhen(true)] out ManagerMirror? mirror, out string problem)
    {
        bool isRead = LedgerReader.TryRead(store, time, out TpmLedger ledger, out problem);
        mirror = isRead ? new ManagerMirror(ledger, store.Records.Count > 0) : null;
        return isRead;
    }
}
