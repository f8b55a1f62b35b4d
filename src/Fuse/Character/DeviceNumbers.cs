using System.Security.Cryptography;

namespace TpmFs.Fuse.Character;

/// <summary>The number by which the kernel knows a device.</summary>
/// <param name="Major">0 where the kernel is to choose one that is free.</param>
public readonly record struct DeviceNumber(uint Major, uint Minor);

/// <summary>Gives numbers to a process's devices. One thread at a time.</summary>
/// <remarks>
/// The kernel has some 150 major numbers for all drivers that leave the choice to it, so all devices share one, for as
/// long as there is one of them. A minor number is not used twice: a container may still have the node of a device that
/// is gone, and must not reach the next device by it. The first is a random one, since the process does not know which
/// ones an earlier process used.
/// </remarks>
public sealed class DeviceNumbers
{
    private const int MinorBits = 20; // MINORBITS of linux/kdev_t.h

    private readonly HashSet<uint> _used = []; // the minor numbers of the devices that there are
    private uint _major;
    private uint _minor = (uint)RandomNumberGenerator.GetInt32(1 << MinorBits);

    /// <summary>Returns the number for the next device.</summary>
    public DeviceNumber Next()
    {
        do
        {
            _minor = (_minor + 1) % (1 << MinorBits);
        }
        while (_used.Contains(_minor));
        return new DeviceNumber(_used.Count == 0 ? 0 : _major, _minor);
    }

    /// <summary>Learns that there is a device with a number.</summary>
    public void Made(DeviceNumber number)
    {
        _major = number.Major;
        _used.Add(number.Minor);
    }

    /// <summary>Learns that a device is gone.</summary>
    public void Gone(DeviceNumber number) => _used.Remove(number.Minor);
}
