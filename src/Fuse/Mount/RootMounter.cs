using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse.Mount;

/// <summary>Mounts and unmounts with mount(2) and umount2(2), for root.</summary>
internal sealed class RootMounter : IMounter
{
    public bool TryMount(
        string mountPoint, FuseMountOptions options, [NotNullWhen(true)] out SafeFileHandle? device, out string problem)
    {
        const ulong Flags = MountCalls.NoSuid | MountCalls.NoDev | MountCalls.NoExec;
        device = null;
        Errno error = FileCalls.Open(FuseMount.DevicePath, OpenOptions.ReadWrite, 0, out SafeFileHandle? opened);
        if (error.IsError)
        {
            opened.Dispose();
            problem =
                $"'{FuseMount.DevicePath}' cannot be opened: {error.Text()}. If the kernel's module is not loaded: "
                    + "modprobe fuse";
            return false;
        }

        (uint uid, uint gid) = (ProcessCalls.EffectiveUserId, ProcessCalls.EffectiveGroupId);
        string data = $"fd={opened.DangerousGetHandle()},rootmode=40000,user_id={uid},group_id={gid}";
        data += options.AllowOther ? ",allow_other" : string.Empty;
        data += options.DefaultPermissions ? ",default_permissions" : string.Empty;
        error = MountCalls.Mount(options.Source, mountPoint, $"fuse.{options.Subtype}", Flags, data);
        if (error.IsError)
        {
            opened.Dispose();
            problem = $"Cannot mount on '{mountPoint}': {error.Text()}. {Advice(error)}".TrimEnd();
            return false;
        }

        device = opened;
        problem = string.Empty;
        return true;
    }

    public bool TryUnmount(string mountPoint, out string problem)
    {
        Errno error = MountCalls.Unmount(mountPoint, MountCalls.NoFollow);
        if (error == Errno.EBUSY)
        {
            error = MountCalls.Unmount(mountPoint, MountCalls.NoFollow | MountCalls.Detach);
        }

        problem = error.IsError ? $"Cannot unmount '{mountPoint}': {error.Text()}." : string.Empty;
        return !error.IsError;
    }

    private static string Advice(Errno error)
    {
        if (error == Errno.EPERM)
        {
            return "The process needs CAP_SYS_ADMIN (in a container: --cap-add SYS_ADMIN --device /dev/fuse).";
        }

        return error == Errno.ENODEV ? "The kernel's module is not loaded: modprobe fuse" : string.Empty;
    }
}
