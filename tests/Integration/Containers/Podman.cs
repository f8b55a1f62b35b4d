using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Containers;

/// <summary>
/// podman in a sandbox, for root or for one user: it keeps all that it has below the sandbox's folder, and knows
/// nothing of the machine's own containers and images.
/// </summary>
internal sealed class Podman : IDisposable
{
    /// <summary>The host's ids that a container of <see cref="RunMapped"/> has.</summary>
    public const int FirstMappedId = 100_000, MappedIds = 65_536;

    /// <summary>The options of every container: a test's machine need not let cgroups or networks be made.</summary>
    private static readonly string[] s_run =
    [
        "run", "--interactive", "--rm", "--cgroups=disabled", "--network=none", "--log-driver=none",
        "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--volume", "/usr:/usr:ro",
    ];

    private readonly Sandbox _sandbox;
    private readonly User _user;
    private readonly string _folder;
    private int _roots;

    /// <param name="user">
    /// The user who runs it. A user other than root has to be in /etc/passwd and /etc/subuid.
    /// </param>
    public Podman(Sandbox sandbox, User user)
    {
        (_sandbox, _user) = (sandbox, user);
        _folder = sandbox.MakeRootsFolder($"podman-{user.Uid}");
        sandbox.Shell($"chown {user.Uid}:{user.Uid} {_folder}; chmod 711 {_folder}; : >{_folder}/containers.conf");
    }

    /// <summary>
    /// Returns the words that run a command in a container of its own, whose files are the machine's below /usr.
    /// </summary>
    public string[] Run(params string[] options) => Run(_user.Uid, options);

    /// <summary>Returns the same for a container that has a user namespace of its own; for root only.</summary>
    public string[] RunMapped(params string[] options)
    {
        string map = $"0:{FirstMappedId}:{MappedIds}";
        return Run(FirstMappedId, ["--uidmap", map, "--gidmap", map, .. options]);
    }

    /// <summary>Ends what is left of containers, and the process that holds a user's namespaces.</summary>
    public void Dispose()
    {
        _sandbox.Run(_user, Command("rm", "--all", "--force", "--time", "0")).Succeeded();
        string pause = Path.Combine(_folder, "tmp", "pause.pid");
        if (File.Exists(pause))
        {
            _sandbox.Shell($"kill -KILL $(cat {pause})");
        }
    }

    private string[] Run(uint owner, string[] options) =>
        [.. Command(s_run), "--volume", $"{_sandbox.Scripts}:{_sandbox.Scripts}:ro", .. options,
            "--rootfs", NewRoot(owner)];

    private string[] Command(params string[] words) =>
    [
        "env", $"HOME={_folder}", $"XDG_RUNTIME_DIR={(_user.Uid == 0 ? "" : _folder)}",
        $"CONTAINERS_CONF={_folder}/containers.conf", "podman", "--root", $"{_folder}/root",
        "--runroot", $"{_folder}/run", "--tmpdir", $"{_folder}/tmp", "--storage-driver=vfs",
        "--cgroup-manager=cgroupfs", "--events-backend=none", .. words,
    ];

    /// <summary>Makes the root directory of a container, which the container's root puts files into.</summary>
    private string NewRoot(uint owner)
    {
        string root = Path.Combine(_folder, $"container{_roots++}");
        _sandbox.Shell($"""
            mkdir -p {root}/usr {root}/etc {root}/dev {root}/proc {root}/sys {root}/tmp {root}/run {root}/var/tmp
            for name in bin sbin lib lib64; do ln -s usr/$name {root}/$name; done
            chown -R {owner}:{owner} {root}
            """);
        return root;
    }
}
