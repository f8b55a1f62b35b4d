namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds the properties that a TPM reports, as numbers of the wire. The mirror has them, since asking the TPM again
/// would end an exclusive audit session.
/// </summary>
internal sealed class ProfileRecord : LedgerRecord
{
    /// <summary>Gets the properties that the TPM reported when it was last asked; none before that.</summary>
    public ProfileState State { get; private set; } = new([], [], null);

    protected override RecordKind Kind => RecordKind.Profile;

    /// <summary>Records the TPM's present properties.</summary>
    public void Learn(ProfileState state)
    {
        State = state;
        Changed();
    }

    /// <summary>Goes on with the properties that the last manager knew.</summary>
    public void Restore(ref RecordReader reader)
    {
        uint[] commands = reader.Numbers();
        var properties = new (uint Property, uint Value)[reader.Count(2 * sizeof(uint))];
        for (int i = 0; i < properties.Length; i++)
        {
            properties[i] = (reader.UInt32(), reader.UInt32());
        }

        State = new ProfileState(commands, properties, reader.Bool() ? reader.Numbers() : null);
    }

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.Numbers(State.Commands);
        writer.UInt32((uint)State.Properties.Count);
        foreach ((uint property, uint value) in State.Properties)
        {
            writer.UInt32(property);
            writer.UInt32(value);
        }

        writer.Bool(State.Audited is not null);
        if (State.Audited is { } audited)
        {
            writer.Numbers(audited);
        }

        return writer.Written;
    }
}

/// <summary>Holds the properties that a TPM reports.</summary>
/// <param name="Commands">TPMA_CC of each command.</param>
/// <param name="Properties">TPM_PT and value of each property.</param>
/// <param name="Audited">TPM_CC of each audited command; null when they are not known.</param>
internal sealed record ProfileState(
    IReadOnlyCollection<uint> Commands, IReadOnlyCollection<(uint Property, uint Value)> Properties,
    IReadOnlyCollection<uint>? Audited);
