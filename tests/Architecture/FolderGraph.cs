using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace TpmFs.Architecture.Tests;

/// <summary>
/// Finds which folder of a project uses types of which other, each with the first place where it does.
/// </summary>
internal sealed class FolderGraph
{
    /// <summary>The name that messages give to a project's own folder.</summary>
    public const string Root = "(root)";

    private readonly SortedDictionary<string, SortedDictionary<string, string>> _uses = new(StringComparer.Ordinal);

    /// <summary>Reads which folders of a project use each other.</summary>
    public FolderGraph(SourceProject project)
    {
        foreach (SyntaxTree file in project.Files)
        {
            string from = NameOf(file);
            SemanticModel model = project.Compilation.GetSemanticModel(file);
            foreach (SimpleNameSyntax name in file.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
            {
                if (DeclaringType(model, name) is { } type && type.DeclaringSyntaxReferences is [{ } declaration, ..]
                    && project.Compilation.ContainsSyntaxTree(declaration.SyntaxTree)
                    && NameOf(declaration.SyntaxTree) is string to && to != from)
                {
                    Add(from, to, $"{project.Locate(name)} uses {type.Name}");
                }
            }
        }
    }

    /// <summary>
    /// Returns each two folders of which one uses the other and is, perhaps by way of more folders, used by it. Where
    /// there are none, the folders have an order in which each uses only those before it.
    /// </summary>
    public IEnumerable<(string From, string To)> PairsInCircles() =>
        from use in _uses
        from to in use.Value.Keys
        where Way(to, use.Key) is not null
        select (use.Key, to);

    /// <summary>
    /// Returns a circle that begins with a use of one folder by another, one line for each use in it.
    /// </summary>
    public string Describe(string from, string to)
    {
        List<string> circle = [from, .. Way(to, from)!];
        IEnumerable<string> places =
            circle.Zip(circle.Skip(1), (user, used) => $"    {user} -> {used}: {_uses[user][used]}");
        return $"  {string.Join(" -> ", circle)}\n{string.Join('\n', places)}";
    }

    private static string NameOf(SyntaxTree file) =>
        SourceProject.FolderOf(file) is { Length: > 0 } folder ? folder : Root;

    private static INamedTypeSymbol? DeclaringType(SemanticModel model, SimpleNameSyntax name)
    {
        SymbolInfo info = model.GetSymbolInfo(name);
        ISymbol? symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
        return symbol switch
        {
            INamedTypeSymbol type => type,
            IMethodSymbol or IPropertySymbol or IFieldSymbol or IEventSymbol => symbol.ContainingType,
            _ => null,
        };
    }

    private void Add(string from, string to, string place)
    {
        if (!_uses.TryGetValue(from, out SortedDictionary<string, string>? used))
        {
            _uses[from] = used = new(StringComparer.Ordinal);
        }

        used.TryAdd(to, place);
    }

    /// <summary>
    /// Returns the folders on the shortest way by uses, both ends included; null where there is no way.
    /// </summary>
    private List<string>? Way(string from, string to)
    {
        var cameFrom = new Dictionary<string, string?>(StringComparer.Ordinal) { [from] = null };
        var next = new Queue<string>([from]);
        while (next.TryDequeue(out string? folder))
        {
            if (folder == to)
            {
                List<string> way = [];
                for (string? at = to; at is not null; at = cameFrom[at])
                {
                    way.Insert(0, at);
                }

                return way;
            }

            foreach (string used in _uses.TryGetValue(folder, out SortedDictionary<string, string>? all)
                ? all.Keys.AsEnumerable() : [])
            {
                if (cameFrom.TryAdd(used, folder))
                {
                    next.Enqueue(used);
                }
            }
        }

        return null;
    }
}
