using TpmFs.Mirror;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Writes the ledger's changes to the store from which the next manager goes on: all changes since the last commit, or
/// none of them. It commits before each command that the manager sends, since the TPM may then change, and the manager
/// commits before each answer that it gives. Used by the manager's thread alone.
/// </summary>
/// <param name="store">Null for a manager that nobody will go on from. Nothing is written then.</param>
internal sealed class LedgerMirror(RecordStore? store, TimeProvider time)
{
    private readonly List<LedgerRecord> _changed = [];
    private readonly RecordWriter _writer = new(time);
    private ulong _lastId;

    /// <summary>True when the next manager can go on from what is written.</summary>
    public bool IsKept => store is not null;

    /// <summary>True when the next commit has something to write.</summary>
    public bool HasChanges => _changed.Count > 0;

    /// <summary>The client's command that the TPM has, or had last; null in a mirror that is not kept.</summary>
    public ExchangeRecord? Client { get; private set; }

    /// <summary>The manager's own command that the TPM has, or had last; null in a mirror that is not kept.</summary>
    public ExchangeRecord? Own { get; private set; }

    /// <summary>
    /// Gets or sets whether the response to a client's command is being recorded in the ledger. Commands of the
    /// manager's own that are sent meanwhile commit nothing: the next manager would record the response again, and must
    /// find the ledger as it was before.
    /// </summary>
    public bool IsRecording { get; set; }

    /// <summary>Returns an id that no record has.</summary>
    public ulong NewId() => ++_lastId;

    /// <summary>Records that the last manager gave ids up to this one.</summary>
    public void GoOnFrom(ulong lastId) => _lastId = Math.Max(_lastId, lastId);

    /// <summary>Sets where commands and their responses are written.</summary>
    public void SetExchanges(RecordArea client, RecordArea own) =>
        (Client, Own) = (new ExchangeRecord(client), new ExchangeRecord(own));

    /// <summary>Adds a record to the records that the next commit writes.</summary>
    public void Add(LedgerRecord changed) => _changed.Add(changed);

    /// <summary>
    /// Writes all changes, so that they hold. Among them are the effects of the manager's last own command.
    /// </summary>
    public void Commit()
    {
        if (_changed.Count > 0)
        {
            foreach (LedgerRecord changed in _changed)
            {
                _writer.Clear();
                changed.Save(store!, _writer);
            }

            _changed.Clear();
            store!.Commit();
        }

        Own?.Finish();
    }

    /// <summary>Records that a client's command is about to be sent.</summary>
    /// <param name="end">The end of the command's time limit, in units of 100 ns since the machine's boot.</param>
    public void BeginClient(SpaceId space, long number, ReadOnlySpan<byte> command, long end)
    {
        if (Client is not null)
        {
            Commit();
            Client.Begin(space, number, command, end);
        }
    }

    /// <summary>
    /// Records that a command of the manager's own is about to be sent. A client's command that has been answered
    /// before, but whose answer is not being recorded, was refused or put off, and will be sent again.
    /// </summary>
    /// <inheritdoc cref="BeginClient"/>
    public void BeginOwn(ReadOnlySpan<byte> command, long end)
    {
        if (Own is not null)
        {
            if (!IsRecording)
            {
                Commit();
                Client!.Finish();
            }

            Own.Begin(default, 0, command, end);
        }
    }
}
