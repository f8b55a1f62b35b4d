using System.Diagnostics.CodeAnalysis;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;

namespace TpmFs.Doors.Device;

/// <summary>Makes devices of this process, by the kernel's module cuse.</summary>
/// <param name="options">How each of them is served.</param>
/// <param name="log">Learns what a person should know.</param>
internal sealed class CuseMaker(FuseSessionOptions options, IFuseLog log) : IDeviceMaker
{
    private readonly DeviceNumbers _numbers = new();

    public bool TryMake(
        string name, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device, out string problem)
    {
        bool isMade = CharacterDevice.TryMake(
            name, _numbers, fileSystem, options, log, out CharacterDevice? made, out problem);
        device = isMade ? new Made(made!) : null;
        return isMade;
    }

    private sealed class Made(CharacterDevice device) : IMadeDevice
    {
        public Task Ending => device.Ending;

        public Errno SetAccess(DeviceAccess access) => device.SetAccess(access);

        public void Hide() => device.Hide();

        public void Dispose() => device.Dispose();
    }
}
