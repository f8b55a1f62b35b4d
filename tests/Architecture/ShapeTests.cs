using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace TpmFs.Architecture.Tests;

/// <summary>Sizes at which a constructor, a function or a class is split, and the one way in which none is.</summary>
public sealed class ShapeTests
{
    private const int MaxParameters = 6;
    private const int MaxFunctionLines = 60;
    private const int MaxTypeLines = 400;

    private const string Rule =
        """
        A constructor takes at most 6 parameters: bundle those that belong together in a record. A function has at most
        60 lines and a class at most 400: split them by what they are responsible for. One type is one file, never
        several partial ones.
        """;

    [Fact]
    public void Constructors_functions_and_classes_stay_within_their_sizes()
    {
        var faults = new Dictionary<string, string>();
        foreach ((string fault, string place) in SourceProject.All.SelectMany(Faults))
        {
            faults[fault] = $"  {place}";
        }

        RuleAssert.Holds(faults, Rule);
    }

    [Fact]
    public void What_is_too_large_is_found()
    {
        string lines = string.Concat(Enumerable.Repeat("        System.Console.WriteLine();\n", 60));
        string members = string.Concat(Enumerable.Range(0, 400).Select(i => $"    int _f{i};\n"));
        var project = SourceProject.Parse("Made",
        [
            ("Primary.cs", "class Primary(int a, int b, int c, int d, int e, int f, int g);"),
            ("Ordinary.cs",
                "class Ordinary\n{\n    Ordinary(int a, int b, int c, int d, int e, int f, int g) { }\n    "
                    + "Ordinary(int a, int b, int c, int d, int e, int f) { }\n}"),
            ("Wire.cs",
                "[System.Runtime.InteropServices.StructLayout(default)]\nrecord struct Wire(int a, int b, int c, int "
                    + "d, int e, int f, int g);"),
            ("Long.cs", $"class Long\n{{\n    void Run()\n    {{\n{lines}    }}\n    void Short() {{ }}\n}}"),
            ("Large.cs", $"class Large\n{{\n{members}}}"),
            ("Split.cs", "partial class Split;"),
            ("Split.More.cs", "partial class Split;"),
            ("Generated.cs", "partial class Generated { partial void Made(); }"),
        ]);

        Assert.Equal(
            [
                "Made: Large has 403 lines", "Made: Long.Run has 63 lines", "Made: Ordinary takes 7 parameters",
                "Made: Primary takes 7 parameters", "Made: Split is split over files",
            ],
            Faults(project).Select(fault => fault.Fault).Order(StringComparer.Ordinal));
    }

    private static IEnumerable<(string Fault, string Place)> Faults(SourceProject project) =>
        project.Files.SelectMany(file => file.GetRoot().DescendantNodes()).SelectMany(node => FaultsOf(node, project))
            .Select(fault => (Fault: $"{project.Name}: {fault.Fault}", Place: project.Locate(fault.Node)))
            .DistinctBy(fault => fault.Fault);

    private static IEnumerable<(string Fault, SyntaxNode Node)> FaultsOf(SyntaxNode node, SourceProject project)
    {
        switch (node)
        {
            case TypeDeclarationSyntax type:
                foreach (string fault in FaultsOfType(type, project))
                {
                    yield return (fault, type);
                }

                break;
            case ConstructorDeclarationSyntax { ParameterList.Parameters.Count: > MaxParameters } constructor:
                yield return ($"{constructor.Identifier} takes {constructor.ParameterList.Parameters.Count} parameters",
                    constructor);
                break;
        }

        if (node is BaseMethodDeclarationSyntax or LocalFunctionStatementSyntax or AccessorDeclarationSyntax
            && Lines(node) > MaxFunctionLines)
        {
            yield return ($"{NameOf(node)} has {Lines(node)} lines", node);
        }
    }

    private static IEnumerable<string> FaultsOfType(TypeDeclarationSyntax type, SourceProject project)
    {
        // A structure of the kernel's has the fields that the kernel gives it.
        bool isWire = type.AttributeLists.SelectMany(list => list.Attributes)
            .Any(attribute => attribute.Name.ToString() == "StructLayout"
            || attribute.Name.ToString().EndsWith(".StructLayout", StringComparison.Ordinal));
        if (!isWire && type.ParameterList is { Parameters.Count: > MaxParameters } parameters)
        {
            yield return $"{type.Identifier} takes {parameters.Parameters.Count} parameters";
        }

        if (Lines(type) > MaxTypeLines)
        {
            yield return $"{type.Identifier} has {Lines(type)} lines";
        }

        INamedTypeSymbol? symbol = project.Compilation.GetSemanticModel(type.SyntaxTree).GetDeclaredSymbol(type);
        if (type.Modifiers.Any(SyntaxKind.PartialKeyword) && symbol?.DeclaringSyntaxReferences.Length > 1)
        {
            yield return $"{type.Identifier} is split over files";
        }
    }

    /// <summary>
    /// Returns the lines from the first modifier to the closing brace: attributes and comments before it do not count.
    /// </summary>
    private static int Lines(SyntaxNode node)
    {
        int start = node switch
        {
            MemberDeclarationSyntax { AttributeLists: [.., AttributeListSyntax last] } =>
                last.GetLastToken().GetNextToken().SpanStart,
            _ => node.SpanStart,
        };
        LinePositionSpan span = node.SyntaxTree.GetLineSpan(TextSpan.FromBounds(start, node.Span.End)).Span;
        return span.End.Line - span.Start.Line + 1;
    }

    private static string NameOf(SyntaxNode function)
    {
        string type = function.FirstAncestorOrSelf<BaseTypeDeclarationSyntax>()?.Identifier.Text ?? string.Empty;
        return type + "." + function switch
        {
            MethodDeclarationSyntax method => method.Identifier.Text,
            LocalFunctionStatementSyntax local => local.Identifier.Text,
            ConstructorDeclarationSyntax => ".ctor",
            AccessorDeclarationSyntax accessor => accessor.Keyword.Text,
            _ => function.Kind().ToString(),
        };
    }
}
