using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace TpmFs.Architecture.Tests;

/// <summary>Tests the walls: the rooms and types that a room may use, and those that it must not know.</summary>
public sealed class WallTests
{
    private const string Rule =
        """
        A room uses only what CONTRIBUTING.md, "Rooms and walls", allows it. Let a room that may use it do what is to be
        done, and hand the result in: a TimeProvider for the clock, an interface for what happens outside.
        """;

    private static readonly string[] s_os =
    [
        "System.IO.File*", "System.IO.Directory*", "System.IO.Drive*", "System.IO.Path", "System.IO.Pipes",
        "System.Net",
        "System.Diagnostics.Process", "System.Environment", "System.Console",
        "System.Runtime.InteropServices.LibraryImport*",
    ];

    private static readonly string[] s_clock =
    [
        "System.DateTime.Now", "System.DateTime.UtcNow", "System.DateTimeOffset.Now", "System.DateTimeOffset.UtcNow",
        "System.TimeProvider.System", "System.Diagnostics.Stopwatch", "System.Threading.Thread.Sleep",
        "System.Threading.Tasks.Task.Delay", "System.Threading.Timer", "System.Environment.TickCount*",
    ];

    private static readonly Dictionary<string, string[]> s_references = new()
    {
        ["Os"] = [],
        ["Mirror"] = [],
        ["Fuse"] = ["Mirror", "Os"],
        ["Tpm"] = ["Os"],
        ["Rm"] = ["Mirror", "Tpm"],
        ["TpmFs"] = ["Fuse", "Mirror", "Os", "Rm", "Tpm"],
    };

    private static readonly Wall[] s_walls =
    [
        new("Os", [], "Fuse|Tpm(?!Fs)"),
        new("Mirror", [.. s_os, .. s_clock], "Fuse|Tpm(?!Fs)|Errno"),
        new("Fuse", [], "Tpm(?!Fs)"),
        new("Rm", [.. s_os, .. s_clock], "Fuse|Errno"),
        new("TpmFs", ["TpmFs.Fuse", "TpmFs.Doors"], "Fuse", "Clients"),
    ];

    [Fact]
    public void A_project_references_only_what_its_room_may_use()
    {
        foreach (SourceProject project in SourceProject.All)
        {
            Assert.True(
                s_references.ContainsKey(project.Name),
                $"src/{project.Name} has no line in the table of this test and in CONTRIBUTING.md.");
            Assert.Equal(s_references[project.Name], project.References.Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public void A_room_uses_only_what_it_may()
    {
        var faults = new Dictionary<string, string>();
        foreach (Wall wall in s_walls)
        {
            foreach ((string use, string place) in wall.Faults(
                SourceProject.All.Single(project => project.Name == wall.Room)))
            {
                faults.TryAdd(use, $"  {place}");
            }
        }

        RuleAssert.Holds(faults, Rule);
    }

    [Fact]
    public void What_is_behind_a_wall_is_found_in_all_its_forms()
    {
        var project = SourceProject.Parse("Made",
        [
            ("A.cs",
                "namespace TpmFs.Made;\nclass A\n{\n    object now = DateTime.UtcNow;\n    object read = "
                    + "System.IO.File.ReadAllText(\"a\");\n}"),
            ("B.cs",
                "using static System.Threading.Thread;\nnamespace TpmFs.Made;\nclass B\n{\n    void Wait() => "
                    + "Sleep(1);\n    System.Net.Sockets.Socket? socket;\n}"),
            ("D.cs", "namespace TpmFs.Made;\nclass FuseOfWhat;"),
            ("C.cs",
                "namespace TpmFs.Made;\nclass C(TimeProvider time)\n{\n    DateTimeOffset now = time.GetUtcNow();\n   "
                    + " MemoryStream? bytes;\n}"),
        ]);

        Assert.Equal(
            [
                ("Made/A.cs: System.DateTime.UtcNow", "src/Made/A.cs:4"),
                ("Made/A.cs: System.IO.File.ReadAllText", "src/Made/A.cs:5"),
                ("Made/B.cs: System.Net.Sockets.Socket", "src/Made/B.cs:6"),
                ("Made/B.cs: System.Threading.Thread.Sleep", "src/Made/B.cs:5"),
                ("Made/D.cs: the word FuseOfWhat", "src/Made/D.cs:2"),
            ],
            new Wall("Made", [.. s_os, .. s_clock], "Fuse").Faults(project).Distinct()
                .Where(fault => !fault.Use.EndsWith(".File", StringComparison.Ordinal)).Order());
    }

    /// <summary>A room, and what it may not use.</summary>
    /// <param name="Room">The project's name.</param>
    /// <param name="Forbidden">Full names of namespaces, types or members; a * stands for any text.</param>
    /// <param name="Words">A regular expression for the names that the room must not contain.</param>
    /// <param name="Folder">The one folder that the wall is around; empty where it is around the project.</param>
    private sealed record Wall(string Room, string[] Forbidden, string Words = "(?!)", string Folder = "")
    {
        private readonly Regex _forbidden = new(
            string.Join(
                '|',
                Forbidden.Select(
                    pattern => $"^{Regex.Escape(pattern).Replace("\\*", ".*", StringComparison.Ordinal)}($|\\.)")
                    .Append("(?!)")));

        private readonly Regex _words = new(Words);

        public IEnumerable<(string Use, string Place)> Faults(SourceProject project)
        {
            foreach (SyntaxTree file in project.Files.Where(
                file => file.FilePath.StartsWith(Folder, StringComparison.Ordinal)))
            {
                foreach (SyntaxToken token in file.GetRoot().DescendantTokens()
                    .Where(token => token.IsKind(SyntaxKind.IdentifierToken)))
                {
                    if (_words.IsMatch(token.Text))
                    {
                        yield return ($"{project.Name}/{file.FilePath}: the word {token.Text}",
                            project.Locate(token.Parent!));
                    }
                }

                SemanticModel model = project.Compilation.GetSemanticModel(file);
                foreach (SimpleNameSyntax name in file.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
                {
                    SymbolInfo info = model.GetSymbolInfo(name);
                    ISymbol? symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
                    if (FullName(symbol) is { } used && _forbidden.IsMatch(used))
                    {
                        yield return ($"{project.Name}/{file.FilePath}: {used}", project.Locate(name));
                    }
                }
            }
        }

        private static string? FullName(ISymbol? symbol) => symbol switch
        {
            INamedTypeSymbol type => $"{type.ContainingSymbol.ToDisplayString()}.{type.Name}",
            IMethodSymbol { MethodKind: MethodKind.Constructor } made => FullName(made.ContainingType),
            IMethodSymbol or IPropertySymbol or IFieldSymbol => $"{FullName(symbol.ContainingType)}.{symbol.Name}",
            _ => null,
        };
    }
}
