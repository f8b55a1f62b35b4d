using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>Tests what is left in the TPM when no client has sent a command for a while.</summary>
public sealed class IdleTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    [Fact]
    public void After_idle_release_the_tpm_holds_no_object_and_no_loaded_session_and_all_of_them_come_back()
    {
        Opener opener = Open();
        PrimaryKey[] keys = [.. Enumerable.Range(0, 5).Select(i => PrimaryKey.Create(opener, $"key {i}"))];
        uint[] sessions = [.. Enumerable.Range(0, 5)
            .Select(_ => opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];
        for (int round = 0; round < 3; round++)
        {
            Deadline.Poll(
                () => TpmContents.Of(
                    Mount.Proxy) is { Objects.Count: 0, LoadedSessions.Count: 0, SavedSessions.Count: 5 },
                "a TPM without our objects and loaded sessions",
                () => TpmContents.Of(Mount.Proxy).ToString());
            Array.ForEach(keys, key => key.Use());
            Assert.All(sessions, session => opener.Transact(Tpm2.PolicyGetDigest(session)).Succeeded());
        }
    }
}
