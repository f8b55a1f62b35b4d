using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace TpmFs.Architecture.Tests;

/// <summary>A folder is a namespace.</summary>
public sealed class NamespaceTests
{
    private const string Rule =
        """
        A file's namespace follows from its folder: src/Rm/Ledger is TpmFs.Rm.Ledger, and src/TpmFs/Doors is
        TpmFs.Doors. Change the namespace line, or move the file.
        """;

    [Fact]
    public void A_folder_is_a_namespace()
    {
        var faults = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach ((string folder, string fault) in SourceProject.All.SelectMany(Faults))
        {
            faults[folder] = faults.TryGetValue(folder, out string? others) ? $"{others}\n{fault}" : fault;
        }

        RuleAssert.Holds(faults, Rule);
    }

    [Fact]
    public void A_namespace_of_another_folder_is_found()
    {
        var project = SourceProject.Parse("Made",
        [
            ("A/Right.cs", "namespace TpmFs.Made.A;\nclass Right;"),
            ("A/B/Deep.cs", "namespace TpmFs.Made.A.B;\nclass Deep;"),
            ("A/Wrong.cs", "namespace TpmFs.Made;\nclass Wrong;"),
            ("A/None.cs", "class None;"),
            ("Root.cs", "namespace TpmFs.Made;\nclass Root;"),
        ]);

        Assert.Equal(
            [("Made/A", "  src/Made/A/None.cs has no namespace"),
                ("Made/A", "  src/Made/A/Wrong.cs has TpmFs.Made, and its folder is TpmFs.Made.A")],
            Faults(project));
    }

    private static IEnumerable<(string Folder, string Fault)> Faults(SourceProject project)
    {
        foreach (SyntaxTree file in project.Files)
        {
            string folder = SourceProject.FolderOf(file);
            string due =
                folder.Length == 0 ? project.RootNamespace : $"{project.RootNamespace}.{folder.Replace('/', '.')}";
            string place = $"src/{project.Name}/{file.FilePath}";
            SyntaxNode root = file.GetRoot();
            string? found = root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>()
                .FirstOrDefault()?.Name.ToString();
            bool hasTypes = root.DescendantNodes().OfType<BaseTypeDeclarationSyntax>().Any();
            if (found is null ? hasTypes : found != due)
            {
                yield return ($"{project.Name}/{folder}".TrimEnd('/'),
                    found is null ? $"  {place} has no namespace" : $"  {place} has {found}, and its folder is {due}");
            }
        }
    }
}
