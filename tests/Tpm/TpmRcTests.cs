using System.Text.RegularExpressions;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests;

public sealed partial class TpmRcTests
{
    [Theory]
    [InlineData(0x000, "TPM_RC_SUCCESS")]
    [InlineData(0x01E, "TPM_RC_BAD_TAG")]
    [InlineData(0x100, "TPM_RC_INITIALIZE")]
    [InlineData(0x143, "TPM_RC_COMMAND_CODE")]
    [InlineData(0x1CB, "TPM_RC_HANDLE (parameter 1)")]
    [InlineData(0x1C4, "TPM_RC_VALUE (parameter 1)")]
    [InlineData(0x184, "TPM_RC_VALUE (handle 1)")]
    [InlineData(0x98E, "TPM_RC_AUTH_FAIL (session 1)")]
    [InlineData(0xFD5, "TPM_RC_SIZE (parameter 15)")]
    [InlineData(0x09A, "TPM_RC_INSUFFICIENT")]
    [InlineData(0x922, "TPM_RC_RETRY")]
    [InlineData(0x910, "TPM_RC_REFERENCE_H0")]
    [InlineData(0x91E, "TPM_RC_REFERENCE_S6")]
    [InlineData(0x501, "vendor code 0x501")]
    [InlineData(0x003, "TPM 1.2 code 0x003")]
    [InlineData(0x1FE, "unknown code 0x1FE (parameter 1)")]
    [InlineData(0x17E, "unknown code 0x17E")]
    [InlineData(0x000B0902, "TPM_RC_OBJECT_MEMORY, from the resource manager")]
    [InlineData(0x000B01CB, "TPM_RC_HANDLE (parameter 1), from the resource manager")]
    [InlineData(0x000A000A, "0xA, from the TCTI")]
    [InlineData(0x01000101, "reserved code 0x1000101")]
    public void A_code_is_told_in_the_words_of_the_specification(uint code, string words) =>
        Assert.Equal(words, new TpmRc(code).ToString());

    [Fact]
    public void Every_code_is_taken_apart_as_tpm2_tools_does()
    {
        var names = new Dictionary<string, string>();
        var texts = new Dictionary<string, string>();
        foreach ((uint code, string theirs) in Decoded(SampleCodes()))
        {
            string ours = new TpmRc(code).ToString();
            if (theirs == $"tpm:0x{code:X}")
            {
                Assert.StartsWith("unknown code", ours, StringComparison.Ordinal);
                continue;
            }

            Match parts = TheirFormat().Match(theirs);
            Assert.True(parts.Success, $"0x{code:X}: {theirs}");
            string kind = parts.Groups["kind"].Value;
            string number = parts.Groups["number"].Value;
            if (kind is "parameter" or "session" || (kind == "handle" && number != "unk"))
            {
                string suffix = number == "unk" ? $" ({kind})" : $" ({kind} {number})";
                Assert.EndsWith(suffix, ours, StringComparison.Ordinal);
            }
            else
            {
                Assert.DoesNotContain("(", ours, StringComparison.Ordinal);
            }

            if (ours.StartsWith("TPM_RC_", StringComparison.Ordinal))
            {
                // One name has one text and one text has one name, whatever the number that it is said of.
                string name = ours.Split(' ')[0];
                string text = parts.Groups["text"].Value;
                Assert.Equal(text, texts.GetOrAdd(name, text));
                if (text != "not currently used")
                {
                    Assert.Equal(name, names.GetOrAdd(text, name));
                }
            }
            else
            {
                Assert.Matches(@"unknown|\(null\)", theirs);
            }
        }

        Assert.Contains("TPM_RC_HANDLE", texts.Keys);
        Assert.Equal("the handle is not correct for the use", texts["TPM_RC_HANDLE"]);
        Assert.Equal("out of memory for object contexts", texts["TPM_RC_OBJECT_MEMORY"]);
        Assert.True(texts.Count > 85, $"only {texts.Count} names were compared");
    }

    [Fact]
    public void Numbers_are_put_where_the_specification_has_them()
    {
        Assert.Equal(0x184u, TpmRc.ValueError.ForHandle(0).Value);
        Assert.Equal(0x784u, TpmRc.ValueError.ForHandle(6).Value);
        Assert.Equal(0x1CBu, TpmRc.HandleError.ForParameter(0).Value);
        Assert.Equal(0xFCBu, TpmRc.HandleError.ForParameter(14).Value);
        Assert.Equal(0x98Eu, TpmRc.AuthFail.ForSession(0).Value);
        Assert.Equal(0xF8Eu, TpmRc.AuthFail.ForSession(6).Value);
        Assert.Equal(0x912u, TpmRc.ReferenceHandle(2).Value);
        Assert.Equal(0x919u, TpmRc.ReferenceSession(1).Value);
        Assert.Throws<ArgumentOutOfRangeException>(() => TpmRc.ValueError.ForHandle(7));
        Assert.Throws<ArgumentOutOfRangeException>(() => TpmRc.ValueError.ForSession(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => TpmRc.ValueError.ForParameter(15));
    }

    [Fact]
    public void A_code_loses_its_number_and_its_layer_and_nothing_else()
    {
        Assert.Equal(TpmRc.HandleError, TpmRc.HandleError.ForParameter(14).Base);
        Assert.Equal(TpmRc.HandleError, TpmRc.HandleError.ForSession(6).Base);
        Assert.Equal(TpmRc.ObjectMemory, TpmRc.ObjectMemory.Base);
        Assert.Equal(0x000B_0902u, TpmRc.ObjectMemory.FromResourceManager.Value);
        Assert.Equal(11, TpmRc.ObjectMemory.FromResourceManager.Layer);
        Assert.Equal(TpmRc.ObjectMemory, TpmRc.ObjectMemory.FromResourceManager.FromResourceManager.WithoutLayer);
        Assert.Equal(0, TpmRc.ObjectMemory.Layer);
    }

    [Fact]
    public void Only_warnings_are_warnings()
    {
        Assert.True(TpmRc.Retry.IsWarning);
        Assert.True(TpmRc.ContextGap.IsWarning);
        Assert.False(TpmRc.Initialize.IsWarning);
        Assert.False(TpmRc.AuthFail.ForSession(0).IsWarning); // 0x98E
        Assert.True(TpmRc.Success.IsSuccess);
        Assert.False(TpmRc.Retry.IsSuccess);
    }

    /// <summary>
    /// All of format zero up to NO_RESULT's revision, all warnings, and format one with no, the first and the seventh
    /// number (the tool takes only three bits of a parameter's four).
    /// </summary>
    private static IEnumerable<uint> SampleCodes()
    {
        for (uint code = 0x100; code < 0x156; code++)
        {
            yield return code;
        }

        for (uint code = 0x900; code < 0x92B; code++)
        {
            yield return code;
        }

        for (uint code = 0x81; code < 0xA8; code++)
        {
            // TPM_RC_RESERVED_BITS is newer than some of the tools.
            if (code != 0xA1)
            {
                uint variant = code % 3;
                yield return code;
                yield return code | (variant switch { 0 => 0x140u, 1 => 0x900u, _ => 0x100u });
                yield return code | (variant switch { 0 => 0x740u, 1 => 0xF00u, _ => 0x700u });
            }
        }
    }

    private static IEnumerable<(uint Code, string Text)> Decoded(IEnumerable<uint> codes)
    {
        // One process for each code; the shell starts them faster than we would.
        string script = string.Join(
            '\n', codes.Select(code => $"echo 0x{code:x} \"$(tpm2_rc_decode 0x{code:x} 2>&1)\""));
        string output = Swtpm.Run("sh", ["-c", script]);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 2))
            .Select(line => (Convert.ToUInt32(line[0], 16), line[1]));
    }

    [GeneratedRegex(@"^tpm:(?<kind>[a-z]+)\((?<number>[^)]+)\): ?(?<text>.*)$")]
    private static partial Regex TheirFormat();
}

internal static class DictionaryExtensions
{
    public static string GetOrAdd(this Dictionary<string, string> dictionary, string key, string value) =>
        dictionary.TryAdd(key, value) ? value : dictionary[key];
}
