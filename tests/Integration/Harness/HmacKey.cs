using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A numbered HMAC key that can be loaded below the owner's storage key, by any opener; what it answers can be checked.
/// </summary>
internal sealed class HmacKey
{
    private readonly byte[] _secret;
    private readonly byte[] _created;
    private readonly int _number;

    private HmacKey(int number, ITpmChannel tpm, uint parent)
    {
        _number = number;
        _secret = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"the secret of key {number}"));
        _created = tpm.Transact(Tpm2.CreateHmacKey(parent, _secret)).Succeeded();
    }

    /// <summary>Makes keys 0 to <paramref name="count"/> - 1.</summary>
    public static HmacKey[] Make(ITpmChannel tpm, uint parent, int count) =>
        [.. Enumerable.Range(0, count).Select(number => new HmacKey(number, tpm, parent))];

    public byte[] LoadCommand(uint parent) => Tpm2.Load(parent, _created);

    public uint Load(ITpmChannel tpm, uint parent) => tpm.Transact(LoadCommand(parent)).NewHandle();

    /// <summary>Uses the key and checks its answer.</summary>
    public void Use(ITpmChannel tpm, uint handle, int text) => Check(tpm.Transact(UseCommand(handle, text)), text);

    public static byte[] UseCommand(uint handle, int text) => Tpm2.Hmac(handle, Text(text));

    public void Check(byte[] response, int text) =>
        Assert.True(
            response.FirstSized().AsSpan().SequenceEqual(HMACSHA256.HashData(_secret, Text(text))),
            $"a wrong answer of key {_number}");

    private static byte[] Text(int text) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"text {text}"));
}
