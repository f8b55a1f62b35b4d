using NSubstitute;
using Serilog.Core;
using TpmFs.Configuration;
using TpmFs.HandOver;
using TpmFs.Host;
using TpmFs.Systemd;
using TpmFs.Tpm;
using TpmFs.Tpm.Transports;

namespace TpmFs.Daemon.Tests.HandOver;

/// <summary>The start of a TPM ends by an exception, as it does where records cannot be gone on with.</summary>
public sealed class FailedStartTests
{
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(30);

    /// <summary>Nobody waits for the start: openers would wait for answers for ever.</summary>
    [Fact]
    public async Task The_daemon_ends_and_says_which_TPM_could_not_be_started()
    {
        var ended = new TaskCompletionSource<(string Message, Exception Problem)>();
        ServedTpm tpm = Create((message, problem) => ended.SetResult((message, problem)));
        _ = tpm.StartAsync();
        tpm.ServeInAnyCase();
        (string message, Exception problem) = await ended.Task.WaitAsync(s_time);
        Assert.Equal("TPM 3 could not be started", message);
        Assert.Contains("a bug", problem.ToString(), StringComparison.Ordinal);
    }

    /// <summary>A daemon that ends in order stops what the start uses. The next one need not die of that.</summary>
    [Fact]
    public async Task A_daemon_that_is_about_to_end_anyway_does_not_fail()
    {
        bool isFailed = false;
        ServedTpm tpm = Create((_, _) => isFailed = true);
        Task<string> start = tpm.StartAsync();
        tpm.Halt();
        tpm.ServeInAnyCase();
        var over = new TaskCompletionSource();
        tpm.WhenStarted(over.SetResult);
        await over.Task.WaitAsync(s_time);
        Assert.True(start.IsFaulted);
        Assert.False(isFailed);
    }

    private static ServedTpm Create(Action<string, Exception> failFast)
    {
        ITpmTransport transport = Substitute.For<ITpmTransport>();
        transport.TryConnect(default, out Arg.Any<string>())
            .ReturnsForAnyArgs(_ => throw new InvalidOperationException("a bug"));
        Assert.True(TransportSpec.TryParse(
            "swtpm:path=/none", new TransportEnvironment { StateDirectory = "/none" }, out TransportSpec? spec,
            out string problem), problem);
        var succession = Succession.Begin(
            ServiceManager.Find(Logger.None), InheritedDescriptors.Receive(), Logger.None);
        return new ServedTpm(new TpmPlan(3, spec, transport), new Settings(), succession, Logger.None)
        {
            FailFast = failFast,
        };
    }
}
