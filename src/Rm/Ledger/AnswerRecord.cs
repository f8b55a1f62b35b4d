namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds the answer to the client's command that has just changed the ledger, until the client has it. The two hold
/// from the same commit on, so the next manager neither carries the command out again nor loses its answer.
/// </summary>
internal sealed class AnswerRecord : LedgerRecord
{
    private readonly byte[] _response = new byte[64 * 1024];
    private int _length;

    /// <summary>The space whose command it was.</summary>
    public SpaceId Space { get; private set; }

    /// <summary>
    /// Gets the number of the answered command in its space, counted from 1; 0 when there is no answer.
    /// </summary>
    public long Number { get; private set; }

    /// <summary>The reason why there is no response; null where there is one.</summary>
    public SpaceFailure? Failure { get; private set; }

    public ReadOnlySpan<byte> Response => _response.AsSpan(0, _length);

    protected override RecordKind Kind => RecordKind.Answer;

    protected override bool IsEmpty => Number == 0;

    /// <summary>Keeps an answer.</summary>
    /// <param name="response">The response; empty when there is none.</param>
    public void Keep(SpaceId space, long number, ReadOnlySpan<byte> response, SpaceFailure? failure)
    {
        (Space, Number, Failure, _length) = (space, number, failure, response.Length);
        response.CopyTo(_response);
        Changed();
    }

    /// <summary>Records that the client has the answer, and wipes it.</summary>
    public void Forget()
    {
        if (Number != 0)
        {
            _response.AsSpan(0, _length).Clear();
            Keep(default, 0, [], null);
        }
    }

    /// <summary>Goes on with the answer that the last manager may not have delivered.</summary>
    public void Restore(ref RecordReader reader)
    {
        (Space, Number) = (new SpaceId(reader.Int64()), reader.Int64());
        byte failure = reader.Byte();
        Failure = failure == 0 ? null : (SpaceFailure)(failure - 1);
        ReadOnlySpan<byte> response = reader.Rest();
        if (reader.Check(response.Length <= _response.Length && failure <= 1 + (int)SpaceFailure.Fault))
        {
            response.CopyTo(_response);
            _length = response.Length;
        }
    }

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.Int64(Space.Value);
        writer.Int64(Number);
        writer.Byte(Failure is { } failure ? (byte)(1 + (int)failure) : (byte)0);
        writer.Rest(Response);
        return writer.Written;
    }
}
