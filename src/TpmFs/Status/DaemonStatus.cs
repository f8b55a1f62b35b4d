using TpmFs.Domains;
using TpmFs.Rm;

namespace TpmFs.Status;

/// <summary>What the status and metrics files show: the TPM and every domain. Any thread.</summary>
internal sealed class DaemonStatus(string tpm, TpmStatus status, TimeProvider time)
{
    private readonly DateTimeOffset start = time.GetUtcNow();
    private Func<IEnumerable<Domain>> domains = () => [];

    /// <summary>The way to the TPM, as the administrator wrote it.</summary>
    public string Tpm => tpm;

    public TpmDescription Description => status.Description;

    public bool IsTpmThere => status.IsThere();

    public DateTimeOffset Start => start;

    public TimeSpan Uptime => time.GetUtcNow() - start;

    /// <summary>Every domain with what it uses, the root first.</summary>
    public IReadOnlyList<(Domain Domain, DomainStatistics Statistics)> Domains => [.. domains().Select(domain => (domain, DomainStatistics.Of(domain)))];

    /// <summary>Where the domains are found; told once, when the tree is there.</summary>
    public void Show(Func<IEnumerable<Domain>> all) => domains = all;
}

/// <summary>What is known of the TPM itself.</summary>
internal sealed record TpmStatus(TpmDescription Description, Func<bool> IsThere);
