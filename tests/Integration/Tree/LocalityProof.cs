using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Proves at which locality an opener's commands reach the TPM, by what the TPM itself answers.</summary>
internal static class LocalityProof
{
    /// <summary>TPM_RC_LOCALITY.</summary>
    public const uint Refused = 0x907;

    /// <summary>Creates a key, and looks for the locality in its creation data.</summary>
    public static void AssertCreatedAt(int locality, Opener opener)
    {
        byte[] response = opener.Transact(TreeCommands.CreatePolicyKey(new byte[32]));
        Assert.Equal(1 << locality, TreeCommands.CreationLocality(response));
        opener.Transact(Tpm2.FlushContext(response.NewHandle())).Succeeded();
    }

    /// <summary>Creates a key that a policy opens at one locality alone.</summary>
    /// <returns>The key's handle.</returns>
    public static uint CreateKeyFor(int locality, Opener opener) =>
        opener.Transact(TreeCommands.CreatePolicyKey(TreeCommands.PolicyLocalityDigest(MaskOf(locality)))).NewHandle();

    /// <summary>Uses a key of <see cref="CreateKeyFor"/>, which succeeds at the key's locality alone.</summary>
    /// <param name="here">The locality of the opener's commands.</param>
    /// <param name="wanted">The locality of the key.</param>
    public static void AssertOpens(int here, int wanted, uint key, Opener opener)
    {
        uint session = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        opener.Transact(TreeCommands.PolicyLocality(session, MaskOf(wanted))).Succeeded();
        uint code = opener.Transact(TreeCommands.HmacByPolicy(key, session)).Code();
        Assert.Equal((here, wanted, here == wanted ? 0 : Refused), (here, wanted, code));
        opener.Transact(Tpm2.FlushContext(session)).Succeeded();
    }

    private static byte MaskOf(int locality) => (byte)(1 << locality);
}
