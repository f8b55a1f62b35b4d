using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace TpmFs.Architecture.Tests;

/// <summary>
/// The sources of one project, parsed and bound as the compiler does it, without building the project.
/// </summary>
/// <param name="Name">The project's folder: Fuse for src/Fuse.</param>
/// <param name="RootNamespace">The namespace of the files that are in no folder of the project.</param>
/// <param name="Compilation">
/// The parsed files. Generated code is missing in it, so it has errors, which nobody looks at.
/// </param>
internal sealed record SourceProject(string Name, string RootNamespace, CSharpCompilation Compilation)
{
    private static readonly CSharpParseOptions s_parse =
        CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Preview);

    /// <summary>The usings that ImplicitUsings gives each project.</summary>
    private static readonly string[] s_implicit =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading",
            "System.Threading.Tasks"];

    private static readonly MetadataReference[] s_platform = [.. ((string)AppContext.GetData(
        "TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':')
        .Where(path => !Path.GetFileName(path).StartsWith("tpmfs", StringComparison.OrdinalIgnoreCase))
        .Select(path => MetadataReference.CreateFromFile(path))];

    /// <summary>The projects of src, each once, the referenced before the referencing.</summary>
    public static IReadOnlyList<SourceProject> All { get; } = ReadAll(Path.Combine(Repository.Folder, "src"));

    /// <summary>The files' syntax trees. A path is relative to the project: Wire/FuseOpcode.cs.</summary>
    public IEnumerable<SyntaxTree> Files => Compilation.SyntaxTrees.Where(tree => tree.FilePath.Length > 0);

    /// <summary>The names of the projects that this one references.</summary>
    public IReadOnlyList<string> References { get; init; } = [];

    /// <summary>Parses a project.</summary>
    /// <param name="name">The project's name.</param>
    /// <param name="files">Paths, relative to the project, and texts.</param>
    /// <param name="usings">Namespaces that all files use, beside the implicit ones.</param>
    /// <param name="references">The projects that it references.</param>
    public static SourceProject Parse(
        string name, IEnumerable<(string Path, string Text)> files, IEnumerable<string>? usings = null,
        IReadOnlyList<SourceProject>? references = null)
    {
        IEnumerable<string> globals = [.. s_implicit, .. usings ?? []];
        string header = string.Concat(globals.Select(space => $"global using global::{space};\n"));
        IEnumerable<SyntaxTree> trees = files.OrderBy(file => file.Path, StringComparer.Ordinal)
            .Select(file => CSharpSyntaxTree.ParseText(file.Text, s_parse, file.Path))
            .Append(CSharpSyntaxTree.ParseText(header, s_parse));
        IReadOnlyList<SourceProject> referenced = references ?? [];
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true);
        var compilation = CSharpCompilation.Create(
            name, trees, [.. s_platform, .. referenced.Select(project => project.Compilation.ToMetadataReference())],
            options);
        return new SourceProject(name, name == "TpmFs" ? "TpmFs" : $"TpmFs.{name}", compilation)
        {
            References = [.. referenced.Select(project => project.Name)],
        };
    }

    /// <summary>Returns the folder of a file, relative to the project; empty for a file in no folder.</summary>
    public static string FolderOf(SyntaxTree file) => Path.GetDirectoryName(file.FilePath)!;

    /// <summary>Returns where a node is, as in "src/Fuse/Wire/FuseOpcode.cs:12".</summary>
    public string Locate(SyntaxNode node) =>
        $"src/{Name}/{node.SyntaxTree.FilePath}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";

    private static List<SourceProject> ReadAll(string folder)
    {
        List<SourceProject> read = [];
        List<(string Name, XDocument File)> waiting =
            [.. Directory.GetFiles(folder, "*.csproj", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
                .Select(path => (Path.GetFileName(Path.GetDirectoryName(path))!, XDocument.Load(path)))];
        while (waiting.Count > 0)
        {
            int next = waiting.FindIndex(
                project => ReferencesOf(project.File).All(name => read.Exists(other => other.Name == name)));
            Assert.True(next >= 0, "The projects of src reference each other in a circle.");
            (string name, XDocument file) = waiting[next];
            waiting.RemoveAt(next);
            read.Add(Parse(
                name, ReadFiles(Path.Combine(folder, name)),
                file.Descendants("Using").Select(item => item.Attribute("Include")!.Value),
                [.. ReferencesOf(file).Select(reference => read.Single(other => other.Name == reference))]));
        }

        return read;
    }

    private static IEnumerable<string> ReferencesOf(XDocument project) =>
        project.Descendants("ProjectReference")
            .Select(item => Path.GetFileName(Path.GetDirectoryName(item.Attribute("Include")!.Value))!);

    private static IEnumerable<(string Path, string Text)> ReadFiles(string folder) =>
        Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Path: Path.GetRelativePath(folder, path), Full: path))
            .Where(
                file => !file.Path.StartsWith("bin/", StringComparison.Ordinal)
                    && !file.Path.StartsWith("obj/", StringComparison.Ordinal))
            .Select(file => (file.Path, File.ReadAllText(file.Full)));
}
