using System.Security.Cryptography;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// What commands and responses carry in clear is wiped from the daemon's memory once it is delivered.
/// </summary>
public sealed class SecretTests : KeptServiceTests
{
    private const string Data = "the data that was sealed";
    private const string Password = "the password of the object";
    private const string Hashed = "the data that was hashed";
    private const string Stirred = "the data for the random generator";

    private readonly Dictionary<string, byte[]> _secrets = new[] { Data, Password, Hashed, Stirred }
        .ToDictionary(name => name, _ => RandomNumberGenerator.GetBytes(16));

    [Fact]
    public void Nothing_of_commands_and_responses_is_left_in_memory_once_they_are_delivered()
    {
        KeptService service = StartWithUnreadSecret(out Opener opener);
        AssertUnreadIsFound(service);
        Assert.Equal(_secrets[Data], opener.Read().Data.FirstSized());
        AssertNothingIsLeft(service);
        opener.Close();
        AssertTpmEmpties(service);
        AssertNothingIsLeft(service);
    }

    [Fact]
    public void Nothing_of_an_unread_response_is_left_in_memory_once_its_opener_closes()
    {
        KeptService service = StartWithUnreadSecret(out Opener opener);
        AssertUnreadIsFound(service);
        opener.Close();
        AssertTpmEmpties(service);
        AssertNothingIsLeft(service);
    }

    [Fact]
    public void Nothing_of_a_response_that_an_earlier_daemon_kept_is_left_in_memory_once_it_is_delivered()
    {
        KeptService service = StartWithUnreadSecret(out Opener opener);
        service.Replace();
        AssertUnreadIsFound(service);
        Assert.Equal(_secrets[Data], opener.Read().Data.FirstSized());
        AssertNothingIsLeft(service);
    }

    [Fact]
    public void Memory_that_outlives_the_daemon_is_in_no_core_dump()
    {
        KeptService service = StartService();
        AssertNotDumped(service);
        service.Replace();
        AssertNotDumped(service);
    }

    /// <summary>
    /// Starts a service whose opener has sent each secret in clear, and has not read the response of Unseal. While the
    /// TPM has the command, the search finds the password in the daemon's heap, too.
    /// </summary>
    private KeptService StartWithUnreadSecret(out Opener opener)
    {
        KeptService service = StartService();
        opener = Open(service.Node);
        uint parent = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        byte[] created = opener.Transact(Tpm2.CreateSealed(parent, _secrets[Password], _secrets[Data])).Succeeded();
        uint loaded = opener.Transact(Tpm2.Load(parent, created)).NewHandle();
        uint sequence = opener.Transact(Tpm2.HashSequenceStart()).NewHandle();
        opener.Transact(Tpm2.SequenceUpdate(sequence, _secrets[Hashed])).Succeeded();
        opener.Transact(Tpm2.SequenceComplete(sequence, _secrets[Hashed])).Succeeded();
        opener.Transact(Tpm2.StirRandom(_secrets[Stirred])).Succeeded();
        TpmHold hold = Proxy.Hold(Tpm2.UnsealCode);
        opener.Submit(Tpm2.Unseal(loaded, _secrets[Password]));
        hold.WaitUntilHeld();
        Assert.Contains(
            new ProcessMemory(service.Id).FindInHeapsAndStacks(_secrets),
            find => find.StartsWith(Password, StringComparison.Ordinal));
        hold.Release();
        Assert.NotEqual(0, opener.Poll(timeout: 30_000, Events.In));
        return service;
    }

    /// <summary>Shows that the search finds what is there.</summary>
    private void AssertUnreadIsFound(KeptService service) => Assert.Contains(
        new ProcessMemory(service.Id).FindInMirrors(_secrets), find => find.StartsWith(Data, StringComparison.Ordinal));

    private void AssertNothingIsLeft(KeptService service)
    {
        var memory = new ProcessMemory(service.Id);
        IReadOnlyList<string> left = [];
        Deadline.Poll(
            () => (left = [.. memory.FindInMirrors(_secrets), .. memory.FindInHeapsAndStacks(_secrets)]).Count == 0,
            "memory without secrets", () => string.Join('\n', left));
        Assert.Empty(memory.FindInOpenFiles(_secrets));
        string[] files = Directory.GetFiles(
            Daemon.StateFolder(Sandbox, service.MountPoint), "*", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            byte[] bytes = File.ReadAllBytes(file);
            Assert.All(_secrets.Values, secret => Assert.Equal(-1, bytes.AsSpan().IndexOf(secret)));
        }
    }

    private static void AssertNotDumped(KeptService service)
    {
        IReadOnlyList<string[]> mirrors = new ProcessMemory(service.Id).FlagsOfMirrors();
        Assert.NotEmpty(mirrors);
        Assert.All(mirrors, flags => Assert.Contains("dd", flags));
    }
}
