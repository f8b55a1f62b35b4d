using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>No opener can use, list, save or flush what is another's, whatever handle it names.</summary>
public sealed class IsolationTests : MountTests
{
    private readonly Opener _owner;
    private readonly Opener _stranger;
    private readonly uint _key;
    private readonly byte[] _publicPart;
    private readonly uint _policy;
    private readonly uint _hmac;

    public IsolationTests(Mount mount, ITestOutputHelper output)
        : base(mount, output)
    {
        _owner = Open();
        _stranger = Open(user: User.Member);
        _key = _owner.Transact(Tpm2.CreatePrimary()).NewHandle();
        _publicPart = _owner.Transact(Tpm2.ReadPublic(_key)).Succeeded();
        _policy = _owner.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        _hmac = _owner.Transact(Tpm2.StartAuthSession(policy: false)).NewHandle();
    }

    /// <summary>
    /// All handles that anybody could mean the key by: the owner's, and every one that the TPM itself could use.
    /// </summary>
    private IEnumerable<uint> KeyHandles =>
        Enumerable.Range(0, 4).Select(i => Tpm2.TransientFirst + (uint)i).Append(_key).Distinct();

    /// <summary>Both sessions by either type byte.</summary>
    private IEnumerable<uint> SessionHandles =>
        new[] { _policy, _hmac }.SelectMany(
            session => new[] { (session & 0xFF_FFFF) | 0x0200_0000, (session & 0xFF_FFFF) | 0x0300_0000 });

    [Fact]
    public void An_object_cannot_be_used_saved_or_flushed()
    {
        foreach (uint handle in KeyHandles)
        {
            Assert.Equal(0x910u, _stranger.Transact(Tpm2.ReadPublic(handle)).Code());
            Assert.Equal(0x910u, _stranger.Transact(Tpm2.Hmac(handle, [1])).Code());
            Assert.Equal(0x910u, _stranger.Transact(Tpm2.CreateHmacKey(handle, [1])).Code());
            Assert.Equal(0x910u, _stranger.Transact(Tpm2.ContextSave(handle)).Code());
            Assert.Equal(0x911u, _stranger.Transact(Tpm2.EvictControl(handle, 0x8100_0777)).Code());
            Assert.Equal(0x1CBu, _stranger.Transact(Tpm2.FlushContext(handle)).Code());
        }

        AssertUntouched();
    }

    [Fact]
    public void A_session_cannot_be_used_saved_or_flushed()
    {
        foreach (uint handle in SessionHandles)
        {
            Assert.Equal(0x910u, _stranger.Transact(Tpm2.PolicyGetDigest(handle)).Code());
            Assert.Equal(0x910u, _stranger.Transact(Tpm2.ContextSave(handle)).Code());
            Assert.Equal(0x918u, _stranger.Transact(Tpm2.GetRandom(4, handle)).Code());
            Assert.Equal(0x1CBu, _stranger.Transact(Tpm2.FlushContext(handle)).Code());
        }

        AssertUntouched();
    }

    [Fact]
    public void Nothing_of_anothers_is_listed_or_counted()
    {
        Assert.Empty(_stranger.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
        Assert.Empty(_stranger.Transact(Tpm2.ListHandles(Tpm2.LoadedSessions)).HandleList());
        Assert.Empty(_stranger.Transact(Tpm2.ListHandles(Tpm2.SavedSessions)).HandleList());
        const uint loadedSessions = 0x203, activeSessions = 0x205;
        Assert.Equal(0u, _stranger.Transact(Tpm2.GetCapability(6, loadedSessions, 1)).Property());
        Assert.Equal(0u, _stranger.Transact(Tpm2.GetCapability(6, activeSessions, 1)).Property());
        Assert.Equal(2u, _owner.Transact(Tpm2.GetCapability(6, loadedSessions, 1)).Property());
        Assert.Equal([_key], _owner.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
        Assert.Equal(
            new[] { _policy, _hmac }.OrderBy(handle => handle & 0xFF_FFFF),
            _owner.Transact(Tpm2.ListHandles(Tpm2.LoadedSessions)).HandleList());
        AssertUntouched();
    }

    [Fact]
    public void Handles_of_two_openers_mean_different_objects()
    {
        uint other = _stranger.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
        byte[] otherPublic = _stranger.Transact(Tpm2.ReadPublic(other)).Succeeded();
        Assert.NotEqual(_publicPart, otherPublic);
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(otherPublic, _stranger.Transact(Tpm2.ReadPublic(other)));
            AssertUntouched();
        }
    }

    [Fact]
    public void A_saved_object_can_be_loaded_by_another_opener_as_its_own()
    {
        byte[] context = _owner.Transact(Tpm2.ContextSave(_key)).Succeeded();
        uint loaded = _stranger.Transact(Tpm2.ContextLoad(context)).NewHandle();
        Assert.Equal(_publicPart, _stranger.Transact(Tpm2.ReadPublic(loaded)));
        _stranger.Transact(Tpm2.FlushContext(loaded)).Succeeded();
        AssertUntouched();
    }

    [Fact]
    public void A_saved_session_can_be_loaded_once_by_the_same_user_and_by_no_other()
    {
        byte[] context = _owner.Transact(Tpm2.ContextSave(_policy)).Succeeded();
        Assert.Equal(0x1CBu, _stranger.Transact(Tpm2.ContextLoad(context)).Code());
        Opener sameUser = Open();
        Assert.Equal(_policy, sameUser.Transact(Tpm2.ContextLoad(context)).NewHandle());
        sameUser.Transact(Tpm2.PolicyGetDigest(_policy)).Succeeded();
        Assert.Equal(0x1CBu, _owner.Transact(Tpm2.ContextLoad(context)).Code());
        Assert.Equal(0x910u, _owner.Transact(Tpm2.PolicyGetDigest(_policy)).Code());
        sameUser.Close();
    }

    [Fact]
    public void A_saved_session_outlives_its_opener()
    {
        byte[] context = _owner.Transact(Tpm2.ContextSave(_policy)).Succeeded();
        _owner.Close();
        Opener next = Open();
        Assert.Equal(_policy, next.Transact(Tpm2.ContextLoad(context)).NewHandle());
        next.Transact(Tpm2.PolicyGetDigest(_policy)).Succeeded();
    }

    private void AssertUntouched()
    {
        Assert.Equal(_publicPart, _owner.Transact(Tpm2.ReadPublic(_key)));
        _owner.Transact(Tpm2.PolicyGetDigest(_policy)).Succeeded();
        _owner.Transact(Tpm2.GetRandom(4, _hmac)).Succeeded();
        Assert.Empty(Mount.Proxy.Transact(Tpm2.ListHandles(Tpm2.PersistentFirst)).HandleList());
    }
}
