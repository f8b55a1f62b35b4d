namespace TpmFs.Architecture.Tests;

/// <summary>The folders of a project of src use each other one way.</summary>
public sealed class CircleTests
{
    private const string Rule =
        """
        Folders of one project may not use each other in a circle: neither could be understood, changed or tested
        without the other. Move the type that is used into the lower folder (or into one below both), or let the upper
        folder hand in what the lower one needs (an interface, a delegate). CONTRIBUTING.md, "Rooms and walls", says
        more.
        """;

    [Fact]
    public void Folders_use_each_other_one_way()
    {
        var faults = new Dictionary<string, string>();
        foreach (SourceProject project in SourceProject.All)
        {
            var graph = new FolderGraph(project);
            foreach ((string from, string to) in graph.PairsInCircles())
            {
                faults[$"{project.Name}: {from} -> {to}"] = graph.Describe(from, to);
            }
        }

        RuleAssert.Holds(faults, Rule);
    }

    [Fact]
    public void A_circle_of_two_folders_is_named_with_its_places()
    {
        FolderGraph graph = Graph(
            ("Upper/Manager.cs", "namespace TpmFs.Made.Upper;\nclass Manager\n{\n    public Lower.Worker? Worker;\n}"),
            ("Lower/Worker.cs",
                "namespace TpmFs.Made.Lower;\nclass Worker\n{\n    void Report() => new Upper.Manager();\n}"));

        Assert.Equal([("Lower", "Upper"), ("Upper", "Lower")], graph.PairsInCircles());
        Assert.Equal(
            """
              Lower -> Upper -> Lower
                Lower -> Upper: src/Made/Lower/Worker.cs:4 uses Manager
                Upper -> Lower: src/Made/Upper/Manager.cs:4 uses Worker
            """,
            graph.Describe("Lower", "Upper"));
    }

    [Fact]
    public void A_circle_by_way_of_a_third_folder_and_the_root_is_found()
    {
        FolderGraph graph = Graph(
            ("Entry.cs", "namespace TpmFs.Made;\nclass Entry { A.One? One; }"),
            ("A/One.cs", "namespace TpmFs.Made.A;\nclass One { int two = B.Two.Count; }"),
            ("B/Two.cs",
                "namespace TpmFs.Made.B;\nstatic class Two { public static int Count; static string Name(this Entry "
                    + "entry) => \"\"; }"),
            ("C/Three.cs", "namespace TpmFs.Made.C;\nclass Three { Entry? entry; }"));

        Assert.Equal([("(root)", "A"), ("A", "B"), ("B", "(root)")], graph.PairsInCircles());
    }

    [Fact]
    public void A_use_without_the_types_name_counts()
    {
        FolderGraph graph = Graph(
            ("A/One.cs", "namespace TpmFs.Made.A;\nclass One { public B.Two Two = new(); public int Size; }"),
            ("B/Two.cs",
                "namespace TpmFs.Made.B;\nclass Two { int Size(dynamic one) => 1; int More() => "
                    + "Made.Owner.First.Size; }"),
            ("Owner.cs", "namespace TpmFs.Made;\nstatic class Owner { public static A.One First = new(); }"));

        Assert.Contains(("B", "A"), graph.PairsInCircles());
    }

    [Fact]
    public void Folders_that_use_each_other_one_way_make_no_circle()
    {
        FolderGraph graph = Graph(
            ("A/One.cs",
                "namespace TpmFs.Made.A;\n/// <summary>Is told by <see cref=\"B.Two\"/>.</summary>\nclass One;"),
            ("B/Two.cs", "namespace TpmFs.Made.B;\nclass Two { A.One? one; }"));

        Assert.Empty(graph.PairsInCircles());
    }

    private static FolderGraph Graph(params (string Path, string Text)[] files) =>
        new(SourceProject.Parse("Made", files));
}
