using System.Globalization;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;

namespace TpmFs.Tree.Controls;

/// <summary>
/// stat: what a domain uses and has used, flat lines of a key and a value; where there are several TPMs, after that of
/// all together each one's, with tpmN. before the key.
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
