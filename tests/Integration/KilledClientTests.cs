using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>
/// A client is killed with SIGKILL in each state: nothing of it is left in the TPM, and nobody else notices.
/// </summary>
public class KilledClientTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    [Fact]
    public void Killed_while_idle()
    {
        Check(victim => { });
    }

    [Fact]
    public void Killed_while_its_command_is_queued()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        Opener running = OpenClient();
        Check(
            victim =>
            {
                running.Submit(Tpm2.ReadClock());
                hold.WaitUntilHeld();
                victim.Submit(Tpm2.CreatePrimary());
                victim.BeginRead();
                victim.Agent.WaitUntilBlockedIn(victim.Descriptor);
            },
            hold.Release);
        running.Read().Data.Succeeded();
    }

    [Fact]
    public void Killed_while_its_command_runs()
    {
        TpmHold? hold = null;
        Check(
            victim =>
            {
                hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
                victim.Submit(Tpm2.CreatePrimary());
                victim.BeginRead();
                hold.WaitUntilHeld();
                victim.Agent.WaitUntilBlockedIn(victim.Descriptor);
            },
            () => hold!.Release());
    }

    [Fact]
    public void Killed_while_a_session_is_being_started_for_it()
    {
        TpmHold? hold = null;
        Check(
            victim =>
            {
                hold = Mount.Proxy.Hold(TpmCc.StartAuthSession);
                victim.Submit(Tpm2.StartAuthSession(policy: true));
                hold.WaitUntilHeld();
            },
            () => hold!.Release());
    }

    [Fact]
    public void Killed_while_its_response_is_ready()
    {
        Check(victim =>
        {
            victim.Submit(Tpm2.CreatePrimary());
            Assert.Equal(Events.In, victim.Poll(-1, Events.In));
        });
    }

    [Fact]
    public void Killed_while_its_response_is_half_read()
    {
        Check(victim =>
        {
            victim.Submit(Tpm2.CreatePrimary());
            Assert.Equal(10, victim.Read(10).Data.Length);
        });
    }

    /// <summary>Begins a conversation in a process of its own.</summary>
    private protected virtual Opener OpenClient() => Open();

    /// <summary>
    /// Kills a client that holds a key and a session, in the state that <paramref name="prepare"/> brings it to.
    /// </summary>
    private protected void Check(Action<Opener> prepare, Action? afterwards = null)
    {
        Opener bystander = OpenClient();
        uint key = bystander.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
        byte[] name = bystander.Transact(Tpm2.ReadPublic(key)).Succeeded();
        uint session = bystander.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();

        Opener victim = OpenClient();
        victim.Transact(Tpm2.CreatePrimary()).NewHandle();
        victim.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        prepare(victim);
        victim.Agent.Kill();
        afterwards?.Invoke();

        Assert.Equal(name, bystander.Transact(Tpm2.ReadPublic(key)));
        bystander.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();
        bystander.Transact(Tpm2.FlushContext(key)).Succeeded();
        bystander.Transact(Tpm2.FlushContext(session)).Succeeded();
        AssertTpmEmpties();
    }
}
