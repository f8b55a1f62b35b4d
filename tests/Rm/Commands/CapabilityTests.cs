using System.Buffers.Binary;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Commands;

/// <summary>GetCapability shows a space its own objects and sessions, and what it may still have.</summary>
public sealed class CapabilityTests
{
    private const uint HandlesCapability = 1;
    private const uint PropertiesCapability = 6;

    [Fact]
    public void Transient_handles_are_listed_in_pages()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = opener.NewKeys(5);
        opener.Must(Cmd.FlushContext(keys[2]));
        AssertListed(true, [keys[0], keys[1]], List(opener, 0x80000000, 2));
        AssertListed(false, [keys[3], keys[4]], List(opener, keys[2], 2));
        AssertListed(false, [], List(opener, keys[4] + 1, 2));
        AssertListed(true, [], List(opener, 0x80000000, 0));
    }

    [Fact]
    public void Sessions_are_listed_as_loaded_with_their_type_or_as_saved()
    {
        using var rig = new Rig();
        Opener other = rig.Open(uid: 5);
        other.NewSession(SessionType.Hmac);
        Opener opener = rig.Open();
        uint policy = opener.NewSession(SessionType.Policy);
        uint hmac = opener.NewSession(SessionType.Hmac);
        uint saved = opener.NewSession(SessionType.Policy);
        opener.Must(Cmd.ContextSave(saved));
        rig.Settle();
        AssertListed(false, [policy, hmac], List(opener, 0x02000000, 10));
        AssertListed(false, [saved & 0x02FFFFFF], List(opener, 0x03000000, 10));
        AssertListed(false, [saved & 0x02FFFFFF], List(rig.Open(), 0x03000000, 10));
        AssertListed(false, [], List(rig.Open(uid: 6), 0x03000000, 10));
    }

    [Fact]
    public void Properties_say_what_the_space_holds_and_may_still_have()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(4);
        opener.NewSession(SessionType.Hmac);
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Hmac)));
        Assert.Equal(uint.MaxValue, Property(opener, 0x114));
        Assert.Equal(1u, Property(opener, 0x203));
        Assert.Equal(15u, Property(opener, 0x204));
        Assert.Equal(2u, Property(opener, 0x205));
        Assert.Equal(15u, Property(opener, 0x206));
        Assert.Equal(60u, Property(opener, 0x207));
        Assert.Equal(64u, Property(opener, 0x111));
    }

    [Fact]
    public void An_authenticated_answer_is_the_tpm_s_and_never_shows_other_openers_handles()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Hmac);
        var audit = Auth.AuditSession(session);
        foreach (uint first in new uint[] { 0x80000000, 0x02000000, 0x03000000 })
        {
            Assert.Equal(0x000B0143u, opener.Do(Cmd.GetCapability(HandlesCapability, first, 10, audit)).Code);
        }

        opener.Must(Cmd.GetCapability(HandlesCapability, 0x81000000, 10, audit));
        byte[] answer = opener.Must(Cmd.GetCapability(PropertiesCapability, 0x114, 1, audit)).Bytes;
        Assert.Equal(0xFFFFu, BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(14 + 9 + 4)));
    }

    private static void AssertListed(bool more, uint[] handles, (bool More, uint[] Handles) listed)
    {
        Assert.Equal(handles, listed.Handles);
        Assert.Equal(more, listed.More);
    }

    private static (bool More, uint[] Handles) List(Opener opener, uint first, uint count)
    {
        byte[] body = opener.Must(Cmd.GetCapability(HandlesCapability, first, count)).Body;
        Assert.Equal(HandlesCapability, BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(1)));
        int listed = BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(5));
        Assert.Equal(9 + (4 * listed), body.Length);
        return (body[0] != 0,
            [.. Enumerable.Range(0, listed)
                .Select(i => BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(9 + (4 * i))))]);
    }

    private static uint Property(Opener opener, uint property)
    {
        byte[] body = opener.Must(Cmd.GetCapability(PropertiesCapability, property, 1)).Body;
        Assert.Equal(property, BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(9)));
        return BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(13));
    }
}
