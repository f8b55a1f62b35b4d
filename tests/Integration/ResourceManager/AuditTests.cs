using System.Security.Cryptography;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>Session audit and command audit beside a resource manager that sends commands of its own.</summary>
public sealed class AuditTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    private const uint Endorsement = 0x4000_000B;
    private const int AlgNull = 0x10, AlgSha256 = 0x0B;
    private const byte AuditExclusive = 0x02;
    private const uint Exclusive = 0x121;

    [Fact]
    public void An_exclusive_audit_session_survives_evictions_idleness_and_another_opener_s_swaps()
    {
        Opener other = Open(user: User.Member);
        PrimaryKey[] theirs = [.. Enumerable.Range(0, 3).Select(i => PrimaryKey.Create(other, $"their key {i}"))];
        uint[] theirSessions = [.. Enumerable.Range(0, 3)
            .Select(_ => other.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];

        Opener opener = Open();
        PrimaryKey[] ours = [.. Enumerable.Range(0, 4).Select(i => PrimaryKey.Create(opener, $"our key {i}"))];
        uint audit = opener.Transact(Tpm2.StartAuthSession(policy: false)).NewHandle();
        opener.Transact(Tpm2.GetRandom(8, audit)).Succeeded();
        for (int i = 0; i < 6; i++)
        {
            int swaps = Mount.Proxy.Count(TpmCc.ContextLoad);
            uint copy = other.Transact(
                Tpm2.ContextLoad(other.Transact(Tpm2.ContextSave(theirs[i % 3].Handle)).Succeeded())).NewHandle();
            other.Transact(Tpm2.FlushContext(copy)).Succeeded();
            other.Transact(Tpm2.ContextLoad(other.Transact(Tpm2.ContextSave(theirSessions[i % 3])).Succeeded()))
                .NewHandle();
            Assert.True(Mount.Proxy.Count(TpmCc.ContextLoad) >= swaps + 2);
            if (i % 2 == 0)
            {
                WaitForIdleRelease();
            }

            opener.Transact(HmacExclusively(ours[i % 4].Handle, audit)).Succeeded();
        }

        other.Transact(Tpm2.ReadClock()).Succeeded();
        Assert.Equal(Exclusive, opener.Transact(HmacExclusively(ours[0].Handle, audit)).Code());
    }

    [Fact]
    public void A_public_area_that_the_tpm_audits_is_read_from_the_tpm_every_time_and_is_in_the_digest()
    {
        Opener opener = Open();
        uint key = PrimaryKey.Create(opener, "key").Handle;
        byte[] response = opener.Transact(Tpm2.ReadPublic(key)).Succeeded();
        int asked = Mount.Proxy.Count(TpmCc.ReadPublic);
        Assert.Equal(response, opener.Transact(Tpm2.ReadPublic(key)));
        Assert.Equal(asked, Mount.Proxy.Count(TpmCc.ReadPublic));

        Audit(opener, TpmCc.ReadPublic);
        byte[] digest = AuditDigest(opener);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(response, opener.Transact(Tpm2.ReadPublic(key)));
            digest = Extended(
                digest, TpmCc.ReadPublic, parameters: NameIn(response), answer: response.AsSpan(TpmHeader.Length));
            Assert.Equal(digest, AuditDigest(opener));
        }

        Assert.Equal(asked + 2, Mount.Proxy.Count(TpmCc.ReadPublic));
        opener.Transact(SetAudited([], [TpmCc.ReadPublic])).Succeeded();
        Deadline.Poll(() => IsAnsweredLocally(opener, key), "local answers again");
    }

    [Fact]
    public void A_flush_that_the_tpm_audits_reaches_the_tpm_though_the_object_was_not_in_it_and_is_in_the_digest()
    {
        Opener opener = Open();
        uint key = PrimaryKey.Create(opener, "key").Handle;
        Audit(opener, TpmCc.FlushContext);
        Deadline.Poll(() => TpmContents.Of(Mount.Proxy).IsEmpty, "an idle TPM");
        byte[] digest = AuditDigest(opener);
        int flushed = Mount.Proxy.Count(TpmCc.FlushContext);
        opener.Transact(Tpm2.FlushContext(key)).Succeeded();
        Assert.Equal(flushed + 1, Mount.Proxy.Count(TpmCc.FlushContext));
        Assert.Equal(
            Extended(digest, TpmCc.FlushContext, parameters: [0x80, 0, 0, 0], answer: []), AuditDigest(opener));
        opener.Transact(SetAudited([], [TpmCc.FlushContext])).Succeeded();
    }

    /// <summary>
    /// Waits for the manager to save sessions, which it does last. The TPM must not be asked here: any other command
    /// ends the exclusive audit session.
    /// </summary>
    private void WaitForIdleRelease()
    {
        int saved = Mount.Proxy.Count(TpmCc.ContextSave);
        Deadline.Poll(() => Mount.Proxy.Count(TpmCc.ContextSave) > saved, "sessions saved because nothing happens");
    }

    private bool IsAnsweredLocally(Opener opener, uint key)
    {
        int before = Mount.Proxy.Count(TpmCc.ReadPublic);
        opener.Transact(Tpm2.ReadPublic(key)).Succeeded();
        return Mount.Proxy.Count(TpmCc.ReadPublic) == before;
    }

    /// <summary>Uses a key, and insists that the audit session has been exclusive since its last use.</summary>
    private static byte[] HmacExclusively(uint key, uint audit) => new TpmCommandBuilder(Tpm2.HmacCode)
        .Handle(key).Password()
        .Session(audit, TpmAuthorization.ContinueSession | TpmAuthorization.Audit | AuditExclusive).Sized([1])
        .U16(AlgNull).Build();

    /// <summary>Has the TPM audit a command, with SHA-256, which the digest must be changed to before.</summary>
    private static void Audit(Opener opener, TpmCc code)
    {
        opener.Transact(SetAudited([], [], AlgSha256)).Succeeded();
        opener.Transact(SetAudited([code], [])).Succeeded();
    }

    private static byte[] SetAudited(TpmCc[] set, TpmCc[] clear, int algorithm = AlgNull)
    {
        TpmCommandBuilder command = new TpmCommandBuilder(TpmCc.SetCommandCodeAuditStatus).Handle(Tpm2.Owner).Password()
            .U16(algorithm);
        foreach (TpmCc[] list in (TpmCc[][])[set, clear])
        {
            command.U32((uint)list.Length);
            Array.ForEach(list, code => command.U32((uint)code));
        }

        return command.Build();
    }

    /// <summary>
    /// The digest as TPM2_GetCommandAuditDigest attests it, here without a signature, which leaves it as it is.
    /// </summary>
    private static byte[] AuditDigest(Opener opener)
    {
        const int ClockAndFirmware = 8 + 4 + 4 + 1 + 8;
        byte[] attest = opener.Transact(new TpmCommandBuilder((TpmCc)0x133)
            .Handle(Endorsement).Handle(Tpm2.Null).Password().Password().U16(0).U16(AlgNull).Build()).FirstSized();
        var reader = new TpmReader(attest);
        Assert.True(
            reader.TryReadUInt32(out _)
                & reader.TryReadUInt16(out _) & reader.TryReadSized(out _) & reader.TryReadSized(out _)
            & reader.TryReadBytes(ClockAndFirmware + sizeof(ulong) + sizeof(ushort), out _)
            & reader.TryReadSized(out ReadOnlySpan<byte> digest));
        return digest.ToArray();
    }

    /// <summary>
    /// Part 1, 31.3: the digest after one more audited command, of which <paramref name="parameters"/> are the names
    /// and parameters.
    /// </summary>
    private static byte[] Extended(
        ReadOnlySpan<byte> digest, TpmCc code, ReadOnlySpan<byte> parameters, ReadOnlySpan<byte> answer)
    {
        byte[] command = SHA256.HashData(new ByteWriter().U32((uint)code).Bytes(parameters).ToArray());
        byte[] response = SHA256.HashData(new ByteWriter().U32(0).U32((uint)code).Bytes(answer).ToArray());
        return SHA256.HashData([.. digest, .. command, .. response]);
    }

    /// <summary>The object's name in TPM2_ReadPublic's response.</summary>
    private static ReadOnlySpan<byte> NameIn(byte[] response)
    {
        var reader = new TpmReader(response.AsSpan(TpmHeader.Length));
        Assert.True(reader.TryReadSized(out _) & reader.TryReadSized(out ReadOnlySpan<byte> name));
        return name;
    }
}
