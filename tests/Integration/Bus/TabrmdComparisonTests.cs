using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>
/// The same flows over tpm2-abrmd itself and over TpmFs in its place, on TPMs with the same seeds: the same answers, but
/// for what docs/coming-from-abrmd.md lists.
/// </summary>
public sealed class TabrmdComparisonTests(TabrmdComparisonTests.Both both) : IClassFixture<TabrmdComparisonTests.Both>
{
    [Theory]
    [MemberData(nameof(Flow.All), MemberType = typeof(Flow))]
    public void A_client_gets_the_same_answers_as_from_tpm2_abrmd(string flow)
    {
        string expected = Flow.Run(both.Mount.Sandbox, User.Root, flow, BusTests.Tabrmd(both.Bus));
        string actual = Flow.Run(both.Mount.Sandbox, User.Root, flow, BusTests.Tabrmd(both.Mount.MessageBus));
        Assert.NotEmpty(expected);
        Assert.Equal(expected, actual);
    }

    /// <summary>A TpmFs, and a tpm2-abrmd on another bus.</summary>
    public sealed class Both : IDisposable
    {
        private readonly SoftwareTpm _tpm;
        private readonly ChildProcess _process;

        public Both()
        {
            Mount = new BusMount();
            _tpm = new SoftwareTpm(Mount.Sandbox, "beside", twin: Mount.Tpm);
            Bus = new MessageBus(Mount.Sandbox, "bus-beside");
            _process = RealTabrmd.Start(Mount.Sandbox, Bus, _tpm);
        }

        internal BusMount Mount { get; }

        internal MessageBus Bus { get; }

        public void Dispose()
        {
            _process.Dispose();
            Bus.Dispose();
            _tpm.Dispose();
            Mount.Dispose();
        }
    }
}
