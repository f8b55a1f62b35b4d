using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Containers;

/// <summary>A TpmFs in a sandbox where containers can be run, by root and by a user.</summary>
public sealed class ContainerMount : Mount
{
    /// <summary>The first of the ids that belong to <see cref="Tenant"/>'s containers, and how many they are.</summary>
    internal const int FirstId = 300_000, Ids = 65_536;

    public ContainerMount()
    {
        // No file of the machine is changed: what podman looks up is laid over it, in the sandbox alone.
        Sandbox.Shell("mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs -o mode=755 none /run");
        AddLine("/etc/passwd", $"tenant:x:{Tenant.Uid}:{Tenant.Uid}::{Sandbox.Folder}:/bin/sh");
        AddLine("/etc/group", $"tenant:x:{Tenant.Uid}:");
        AddLine("/etc/subuid", $"tenant:{FirstId}:{Ids}");
        AddLine("/etc/subgid", $"tenant:{FirstId}:{Ids}");
        ByRoot = new Podman(Sandbox, User.Root);
        ByTenant = new Podman(Sandbox, Tenant);
    }

    /// <summary>A user who runs containers of their own.</summary>
    internal static User Tenant { get; } = new(54_330);

    internal Podman ByRoot { get; }

    internal Podman ByTenant { get; }

    private protected override void EndClients()
    {
        ByTenant.Dispose();
        ByRoot.Dispose();
    }

    /// <summary>Shows the sandbox a file of the machine with one line more.</summary>
    private void AddLine(string file, string line)
    {
        string copy = Sandbox.PathOf(Path.GetFileName(file));
        File.WriteAllLines(copy, [.. File.ReadAllLines(file), line]);
        Sandbox.Shell($"mount --bind {copy} {file}");
    }
}
