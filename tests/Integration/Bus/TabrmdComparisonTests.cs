using System.Buffers.Binary;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>
/// The same flows over tpm2-abrmd itself and over TpmFs in its place, on TPMs with the same seeds: the same answers,
/// but for what docs/coming-from-abrmd.md lists.
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

    /// <summary>The differences that docs/coming-from-abrmd.md lists.</summary>
    [Theory]
    [InlineData("cancel", "0xB0002", "0x0")]
    [InlineData("locality", "0xB0002", "0x0")]
    [InlineData("objects", "28, 0xB0902", "30")]
    [InlineData("sessions", "4, 0xB0903", "16, 0xB0903")]
    [InlineData("foreign handle", "0x184", "0x910")]
    [InlineData("too large for the tpm", "0x142", "0xB0142")]
    public void Where_the_two_differ_each_does_what_is_documented(string what, string abrmd, string tpmfs) =>
        Assert.Equal((abrmd, tpmfs), (Do(what, both.Bus), Do(what, both.Mount.MessageBus)));

    [Theory]
    [InlineData("sent ahead")]
    [InlineData("large")]
    [InlineData("short")]
    [InlineData("saved session")]
    [InlineData("startup")]
    public void What_is_unusual_has_the_same_answers_too(string what) =>
        Assert.Equal(Do(what, both.Bus), Do(what, both.Mount.MessageBus));

    private string Do(string what, MessageBus bus)
    {
        using var agent = new Agent(both.Mount.Sandbox, null, bus.Words);
        Opener opener = BusTests.Connect(agent);
        return what switch
        {
            "cancel" => Cancelled(opener),
            "locality" => Code(opener.Call("tcti_locality", 1).Value),
            "objects" => HowMany(() => opener.Transact(Tpm2.CreatePrimary())),
            "sessions" => HowMany(() => opener.Transact(Tpm2.StartAuthSession(policy: true))),
            "sent ahead" => SentAhead(opener),
            "large" => AfterSize(opener, 8193),
            "short" => AfterSize(opener, 9),
            "foreign handle" => Code(opener.Transact(Tpm2.ReadPublic(Tpm2.TransientFirst + 77)).Code()),
            "startup" => Code(opener.Transact(TreeCommands.Startup()).Code()),
            "too large for the tpm" => Code(opener.Transact(Sized(Tpm2.GetRandom(8), 8192)).Code()),
            _ => Code(SavedElsewhere(opener, BusTests.Connect(agent))),
        };
    }

    private static string Code(long code) => $"0x{code:X}";

    /// <summary>Cancels a command that TpmFs cannot have done already: its TPM does not get it.</summary>
    private string Cancelled(Opener opener)
    {
        both.Mount.Proxy.Hold(TpmCc.CreatePrimary, canBeGivenUp: true);
        Assert.Equal(0, opener.Call("tcti_transmit", Convert.ToHexString(Tpm2.CreatePrimaryRsa())).Value);
        string code = Code(opener.Call("tcti_cancel").Value);
        both.Mount.Proxy.ReleaseAll();
        return code;
    }

    /// <summary>
    /// Returns the number of times that a command succeeds, 30 at the most, and the code that it is refused with then.
    /// </summary>
    private static string HowMany(Func<byte[]> command)
    {
        for (int count = 0; count < 30; count++)
        {
            if (command().Code() is not 0 and uint code)
            {
                return $"{count}, {Code(code)}";
            }
        }

        return "30";
    }

    private static string SentAhead(Opener opener)
    {
        opener.Submit([.. Tpm2.GetRandom(1), .. Tpm2.GetRandom(2)]);
        return $"{opener.Read(13).Data.Length}, {opener.Read(14).Data.Length}";
    }

    /// <summary>A command with zeros behind it, and a header that says so.</summary>
    private static byte[] Sized(byte[] command, int size)
    {
        Array.Resize(ref command, size);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), size);
        return command;
    }

    private static string AfterSize(Opener opener, int size)
    {
        byte[] command = Tpm2.GetRandom(8);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), size);
        opener.Submit(command);
        return opener.Poll(3000, Events.In) == 0 ? "waits"
            : opener.Read() is { Data.Length: 0 } ? "the end" : "an answer";
    }

    private static uint SavedElsewhere(Opener opener, Opener other)
    {
        uint session = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        byte[] saved = opener.Transact(Tpm2.ContextSave(session)).Succeeded();
        return other.Transact(Tpm2.ContextLoad(saved)).Code();
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
