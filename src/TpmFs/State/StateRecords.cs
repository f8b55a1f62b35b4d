using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using TpmFs.Records;

namespace TpmFs.State;

/// <summary>
/// The changes that were made at run time, one record for each, for the next daemon: so nothing is lost that is not on
/// disk yet, or where there is no disk. The keeper's lock guards it.
/// </summary>
internal sealed class StateRecords
{
    private const byte PathEnd = (byte)'\n'; // which no place in the tree has

    private readonly RecordStore _store;
    private readonly Dictionary<(RecordKind, string), RecordPlace> _places = [];
    private RecordPlace _complete;
    private ulong _last;

    public StateRecords(RecordStore store)
    {
        _store = store;
        foreach (StoredRecord record in store.Records)
        {
            _last = Math.Max(_last, record.Id);
            switch ((RecordKind)record.Kind)
            {
                case RecordKind.Made or RecordKind.Access or RecordKind.Limits:
                    _places[((RecordKind)record.Kind, PathOf(store.Read(record.Place)))] = record.Place;
                    break;
                case RecordKind.State:
                    _complete = record.Place;
                    break;
            }
        }
    }

    /// <summary>Reads what an earlier daemon has written.</summary>
    /// <returns>Null when there is none, or it did not come as far as to write all.</returns>
    public StateDocument? Read()
    {
        if (_complete.IsNowhere)
        {
            return null;
        }

        var document = new StateDocument();
        foreach (((RecordKind kind, string path), RecordPlace place) in _places)
        {
            ReadOnlySpan<byte> text = _store.Read(place)[(path.Length + 1)..];
            switch (kind)
            {
                case RecordKind.Made:
                    document.Made.Add(path);
                    break;
                case RecordKind.Access when Parse(text, StateJson.Default.SavedAccess) is { } saved
                    && Saved.TryRead(saved, out Permissions.ChangedAccess _):
                    document.Access[path] = saved;
                    break;
                case RecordKind.Limits when Parse(text, StateJson.Default.SavedLimits) is { } saved
                    && Saved.TryRead(saved, out Policy.Limits _):
                    document.Limits[path] = saved;
                    break;
            }
        }

        return document;
    }

    /// <summary>Writes all.</summary>
    public void Write(StateDocument document)
    {
        foreach ((RecordKind kind, string path) in _places.Keys.ToArray())
        {
            Remove(kind, path);
        }

        foreach ((string path, SavedAccess saved) in document.Access)
        {
            Keep(path, saved);
        }

        foreach ((string path, SavedLimits saved) in document.Limits)
        {
            Keep(path, saved);
        }

        foreach (string path in document.Made)
        {
            KeepMade(path);
        }

        _store.PutNow(ref _complete, (byte)RecordKind.State, ++_last, []);
    }

    public void KeepMade(string path) => Put(RecordKind.Made, path, []);

    public void Keep(string path, SavedAccess access) =>
        Put(RecordKind.Access, path, JsonSerializer.SerializeToUtf8Bytes(access, StateJson.Default.SavedAccess));

    public void Keep(string path, SavedLimits limits) =>
        Put(RecordKind.Limits, path, JsonSerializer.SerializeToUtf8Bytes(limits, StateJson.Default.SavedLimits));

    public void Remove(RecordKind kind, string path)
    {
        if (_places.Remove((kind, path), out RecordPlace place))
        {
            _store.RemoveNow(ref place);
        }
    }

    private static string PathOf(ReadOnlySpan<byte> record) =>
        Encoding.Latin1.GetString(record[..Math.Max(0, record.IndexOf(PathEnd))]);

    private static T? Parse<T>(ReadOnlySpan<byte> text, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(text, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Put(RecordKind kind, string path, ReadOnlySpan<byte> text)
    {
        RecordPlace place = _places.GetValueOrDefault((kind, path));
        _store.PutNow(ref place, (byte)kind, ++_last, [.. Encoding.Latin1.GetBytes(path), PathEnd, .. text]);
        _places[(kind, path)] = place;
    }
}
