using System.Globalization;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;

namespace TpmFs.Tree.Controls;

/// <summary>
/// stat: a domain's present and past usage, in flat lines of a key and a value. Where there are several TPMs, each
/// TPM's lines follow those of all together, with tpmN. before the key.
/// </summary>
internal sealed class StatFile(NodeTable table, ControlContext context, Domain domain, IReadOnlyList<TpmPort> tpms)
    : ControlFile(table, Shown, context)
{
    public override string Content() =>
        Lines("", null)
            + (tpms.Count == 1
                ? ""
                : string.Concat(
                    tpms.Select(
                        tpm => Lines(string.Create(CultureInfo.InvariantCulture, $"tpm{tpm.Number}."), tpm.Number))));

    private string Lines(string prefix, int? tpm)
    {
        var statistics = DomainStatistics.Of(domain, tpm);
        return string.Concat(
            DomainStatistics.Keys.Select(
                key => string.Create(CultureInfo.InvariantCulture, $"{prefix}{key.Name} {key.Get(statistics)}\n")));
    }
}
