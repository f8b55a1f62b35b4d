using System.Text;
using Microsoft.Win32.SafeHandles;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Mount;

/// <summary>Writes down which mount was made, for another process that goes on with the mount.</summary>
internal static class LayerRecord
{
    private const byte Kind = 15; // a session's records have lower numbers

    /// <summary>Writes it down, in place of what was written before.</summary>
    public static void Write(RecordStore records, MountedLayer layer)
    {
        RecordPlace place = Find(records);
        byte[] bytes = [(byte)(layer.IsMountPointOurs ? 1 : 0), .. Encoding.ASCII.GetBytes(layer.Number)];
        records.PutNow(ref place, Kind, id: 0, bytes);
    }

    /// <summary>Reads it.</summary>
    /// <param name="records">The record that an earlier process wrote.</param>
    /// <param name="connection">The connection of the mount.</param>
    /// <returns>Null when there is none.</returns>
    public static MountedLayer? Read(RecordStore records, SafeFileHandle connection)
    {
        RecordPlace place = Find(records);
        return place.IsNowhere || records.Read(place) is not [var isOurs, .. var number]
            ? null : new MountedLayer(connection, Encoding.ASCII.GetString(number), isOurs != 0);
    }

    private static RecordPlace Find(RecordStore records)
    {
        foreach (StoredRecord record in records.Records)
        {
            if (record.Kind == Kind)
            {
                return record.Place;
            }
        }

        return default;
    }
}
