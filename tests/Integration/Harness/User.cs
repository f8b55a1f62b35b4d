namespace TpmFs.Integration.Tests.Harness;

/// <summary>The user a client runs as: numbers, which need no entry in /etc/passwd.</summary>
internal sealed record User(uint Uid, uint? Group = null)
{
    /// <summary>Numbers of users whom single tests make up.</summary>
    public const int FirstMade = 60_000, LastMade = 60_999;

    public static readonly User Root = new(0);

    /// <summary>A member of the group that TPM devices belong to.</summary>
    public static readonly User Member = new(54_321, Requirements.Group("tss"));

    /// <summary>Another member of that group.</summary>
    public static readonly User OtherMember = new(54_322, Requirements.Group("tss"));

    /// <summary>Nobody in particular.</summary>
    public static readonly User Outsider = new(54_323);

    /// <summary>
    /// The words to put before a command; it is executed in place, so the process is still the one that was started.
    /// </summary>
    public IEnumerable<string> Prefix =>
        Uid == 0
            ? []
            : ["setpriv", $"--reuid={Uid}", $"--regid={Uid}",
                Group is uint group ? $"--groups={group}" : "--clear-groups", "--"];
}
