using System.Globalization;
using TpmFs.Domains;
using TpmFs.Nodes;

namespace TpmFs.Controls;

/// <summary>stat: what a domain uses and has used, flat lines of a key and a value.</summary>
internal sealed class StatFile(NodeTable table, Access root, Domain domain) : ControlFile(table, Shown, root)
{
    public override string Content()
    {
        var statistics = DomainStatistics.Of(domain);
        return string.Concat(DomainStatistics.Keys.Select(key => string.Create(CultureInfo.InvariantCulture, $"{key.Name} {key.Get(statistics)}\n")));
    }
}
