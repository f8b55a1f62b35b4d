using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>Tests the texts by which users name a TPM.</summary>
public sealed class TransportSpecTests
{
    private static readonly TransportEnvironment s_environment =
        new() { StateDirectory = "/nonexistent/state", OwnTree = "/mnt/tpmfs" };

    [Theory]
    [InlineData("device:/dev/tpm0")]
    [InlineData("device:/mnt/tpmfs2/raw0")]
    [InlineData("tcti:mssim:host=localhost")]
    [InlineData("embedded")]
    [InlineData("embedded:/some/where")]
    [InlineData("swtpm")]
    [InlineData("swtpm:path=/run/swtpm.sock")]
    [InlineData("swtpm:host=localhost,port=2321")]
    [InlineData("swtpm:port=1")]
    public void A_specification_makes_a_transport_and_touches_nothing(string spec)
    {
        Parse(spec).CreateTransport().Dispose();
        Assert.False(Directory.Exists("/nonexistent"));
    }

    [Theory]
    [InlineData("", "expected one of device:PATH, embedded[:DIR], swtpm:path=SOCK")]
    [InlineData("mssim", "expected one of device:PATH, embedded[:DIR]")]
    [InlineData("Embedded", "expected one of device:PATH, embedded[:DIR]")]
    [InlineData("device", "the path of a TPM's device")]
    [InlineData("device:tpm0", "the path of a TPM's device")]
    [InlineData("device:/dev/tpmrm0", "is the kernel's resource manager")]
    [InlineData("device:/mnt/tpmfs/../tpmfs/raw0", "cannot be its own TPM")]
    [InlineData("tcti", "needs the configuration of a TCTI")]
    [InlineData("tcti:device", "the path of a TPM's device")]
    [InlineData("tcti:device:/dev/tpmrm1", "is the kernel's resource manager")]
    [InlineData("tcti:device:/mnt/tpmfs/rm0", "cannot be its own TPM")]
    [InlineData("swtpm:path=", "path is empty")]
    [InlineData("swtpm:path", "path is empty")]
    [InlineData("swtpm:path=/a,path=/b", "path is given twice")]
    [InlineData("swtpm:path=/a,port=1", "not both")]
    [InlineData("swtpm:sock=/a", "no \"sock\"")]
    [InlineData("swtpm:port=0", "1 to 65534")]
    [InlineData("swtpm:port=65535", "1 to 65534")]
    [InlineData("swtpm:port=http", "1 to 65534")]
    public void A_bad_specification_is_told_what_was_expected(string spec, string hint)
    {
        Assert.False(TransportSpec.TryParse(spec, s_environment, out _, out string problem));
        Assert.Contains(hint, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_path_that_no_socket_can_have_is_refused_at_once()
    {
        string longest = "/" + new string('a', 101); // With ".ctrl", the 107 bytes that sun_path has room for.
        Parse($"swtpm:path={longest}");
        Assert.False(TransportSpec.TryParse($"swtpm:path={longest}a", s_environment, out _, out string problem));
        Assert.Contains("107 bytes", problem, StringComparison.Ordinal);
    }

    /// <summary>May it appear later, do others use it, is it the daemon's own, does its number matter.</summary>
    [Theory]
    [InlineData("device:/dev/tpm0", true, true, false, false)]
    [InlineData("embedded", false, false, true, true)]
    [InlineData("embedded:/some/where", false, false, true, false)]
    [InlineData("swtpm:path=/embedded", false, false, false, false)]
    [InlineData("tcti:device:/dev/tpm0", false, true, false, false)]
    [InlineData("tcti:cmd:device:/dev/tpm0", false, false, false, false)]
    public void The_kind_of_a_transport_follows_from_its_text(
        string text, bool mayAppear, bool isShared, bool isOwn, bool dependsOnNumber)
    {
        TransportSpec spec = Parse(text);
        Assert.Equal(
            (text, mayAppear, isShared, isOwn, dependsOnNumber),
            (spec.Text, spec.MayAppear, spec.IsShared, spec.IsOwn, spec.DependsOnNumber));
    }

    [Fact]
    public void The_manual_and_the_documents_have_every_form()
    {
        string manual = Plain(File.ReadAllText(Path.Combine(Repository.Folder, "docs/man/tpmfs.8")));
        string document = File.ReadAllText(Path.Combine(Repository.Folder, "docs/tpms.md"));
        string configuration = File.ReadAllText(Path.Combine(Repository.Folder, "docs/configuration.md"));
        foreach (TransportForm form in TransportSpec.Forms)
        {
            Assert.Contains($"\n{form.Syntax}\n", manual, StringComparison.Ordinal);
            string fixedPart = new([.. form.Syntax.TakeWhile(c => !char.IsAsciiLetterUpper(c) && c != '[')]);
            Assert.Contains($"| `{fixedPart}", document, StringComparison.Ordinal);
            Assert.Contains(fixedPart, configuration, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_completion_begins_a_form()
    {
        foreach (TransportForm form in TransportSpec.Forms)
        {
            string begin = form.Syntax.Split('[', ':')[0];
            Assert.All(form.Completions.Split(' '), word => Assert.StartsWith(begin, word, StringComparison.Ordinal));
        }
    }

    private static TransportSpec Parse(string text)
    {
        Assert.True(TransportSpec.TryParse(text, s_environment, out TransportSpec? spec, out string problem), problem);
        Assert.Empty(problem);
        return spec;
    }

    /// <summary>The heads of a list of mdoc(7), as they are shown.</summary>
    private static string Plain(string mdoc) => string.Join('\n', mdoc.Split('\n').Select(line =>
    {
        string head = line;
        foreach (string markup in (string[])[".It Li ", " Ns ", "Li ", "Ar ", "\\&"])
        {
            head = head.Replace(markup, "", StringComparison.Ordinal);
        }

        int optional = head.IndexOf("Op ", StringComparison.Ordinal);
        return optional < 0 ? head : $"{head[..optional]}[{head[(optional + 3)..]}]";
    }));
}
