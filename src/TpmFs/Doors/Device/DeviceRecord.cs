using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using TpmFs.Fuse.Character;
using TpmFs.Records;

namespace TpmFs.Doors.Device;

/// <summary>A character device as the next daemon finds it. Each field is written by itself.</summary>
internal sealed class DeviceRecord
{
    private static readonly int s_headLength = Unsafe.SizeOf<Parts>();
    private readonly RecordArea _area;

    private DeviceRecord(RecordArea area, ulong connection)
    {
        _area = area;
        Connection = (uint)connection;
        string text = Encoding.Latin1.GetString(area.Span[s_headLength..]);
        int end = Math.Max(0, text.IndexOf('\0', StringComparison.Ordinal));
        (Name, Node) = (text[..end], text[(end + 1)..]);
    }

    /// <summary>Gets the number that tells the device's connection with the kernel from others; never 0.</summary>
    public uint Connection { get; }

    /// <summary>Gets the device's name.</summary>
    public string Name { get; }

    /// <summary>Gets the place of the device's node in the tree.</summary>
    public string Node { get; }

    /// <summary>
    /// True when the record is younger than the device, so that its open files are not known: no earlier record could
    /// be used.
    /// </summary>
    public bool IsYounger => Head.IsYounger;

    /// <summary>
    /// Gets or sets whether the device's node is gone. The device must not become that of another node of the same
    /// name, since the users who were given the device were not given that node.
    /// </summary>
    public bool IsLeaving
    {
        get => Head.IsLeaving;
        set
        {
            Volatile.Write(ref Head.IsLeaving, value);
            _area.Wrote();
        }
    }

    private ref Parts Head => ref _area.As<Parts>();

    /// <summary>Writes down a device that is about to be made.</summary>
    /// <param name="store">Null where no daemon is to go on.</param>
    /// <param name="connection">The number of the <see cref="Connection"/>.</param>
    /// <param name="name">The device's <see cref="Name"/>.</param>
    /// <param name="node">The place of the device's <see cref="Node"/>; empty where it is not known.</param>
    /// <param name="isYounger">See <see cref="IsYounger"/>.</param>
    public static DeviceRecord Begin(
        RecordStore? store, uint connection, string name, string node, bool isYounger = false)
    {
        byte[] text = Encoding.Latin1.GetBytes($"{name}\0{node}");
        var area = RecordArea.Reserve(store, (byte)RecordKind.Device, connection, s_headLength + text.Length);
        text.CopyTo(area.Span[s_headLength..]);
        var record = new DeviceRecord(area, connection);
        ref Parts head = ref record.Head;
        head.IsYounger = isYounger;
        Volatile.Write(ref head.IsThere, true);
        area.Wrote();
        return record;
    }

    /// <summary>Reads the devices that an earlier daemon had. Records that make no sense are removed.</summary>
    public static List<DeviceRecord> Adopt(RecordStore store) => store.Adopt(
        RecordKind.Device,
        (area, id) => area.Span.Length > s_headLength && area.As<Parts>().IsThere && id is > 0 and <= int.MaxValue
            && new DeviceRecord(area, id) is var record && DeviceName.IsValid(record.Name) ? record : null);

    /// <summary>Removes the record: the device is gone. Idempotent.</summary>
    public void Remove() => _area.Remove();

    [StructLayout(LayoutKind.Sequential, Size = 8)]
    private struct Parts
    {
        public bool IsThere;
        public bool IsYounger;
        public bool IsLeaving;
    }
}
