using TpmFs.Clients;
using TpmFs.Power;
using TpmFs.Rm;

namespace TpmFs.Tree.Status;

/// <summary>The source of the status and metrics files: the TPMs and every domain. Any thread.</summary>
internal sealed class DaemonStatus(IReadOnlyList<TpmStatus> tpms, TimeProvider time)
{
    private readonly DateTimeOffset _start = time.GetUtcNow();
    private Func<IEnumerable<Domain>> _domains = () => [];
    private Func<SleepState> _sleep = () => SleepState.Awake;
    private Func<string> _scheduling = () => "";
    private Func<IReadOnlyList<(string Path, string Node, string Problem)>> _devices = () => [];
    private Func<string>? _bus;
    private Func<uint> _takeovers = () => 0;

    /// <summary>Gets the TPMs, by their numbers.</summary>
    public IReadOnlyList<TpmStatus> Tpms => tpms;

    public DateTimeOffset Start => _start;

    public TimeSpan Uptime => time.GetUtcNow() - _start;

    /// <summary>Gets every domain, the root first.</summary>
    public IReadOnlyList<Domain> Domains => [.. _domains()];

    /// <summary>True when commands are put off because the machine sleeps, or is about to.</summary>
    public bool IsSuspended => _sleep() != SleepState.Awake;

    /// <summary>Gets how the thread that serves clients is scheduled at this moment, and why.</summary>
    public string Scheduling => _scheduling();

    /// <summary>
    /// Gets the character devices, each with its node and the reason why it is not there, which is empty while it is.
    /// </summary>
    public IReadOnlyList<(string Path, string Node, string Problem)> Devices => _devices();

    /// <summary>Gets in words what is served on D-Bus; null when nothing is to be.</summary>
    public string? Bus => _bus?.Invoke();

    /// <summary>Gets the number of times that the mount was taken over from another daemon.</summary>
    public uint Takeovers => _takeovers();

    /// <summary>Gets in words what this daemon took over; empty for one that mounted.</summary>
    public string TakenOver { get; private set; } = "";

    /// <summary>Names the function that finds the domains. Called once, when the tree is there.</summary>
    public void Show(Func<IEnumerable<Domain>> all) => _domains = all;

    /// <summary>Sets the source of <see cref="IsSuspended"/>. Called once, when the tree is there.</summary>
    public void ShowSleep(Func<SleepState> sleep) => _sleep = sleep;

    /// <summary>Sets the report of the takeover. Called once, if there was one.</summary>
    public void ShowTakeovers(Func<uint> count, string summary) => (_takeovers, TakenOver) = (count, summary);

    /// <summary>Sets the source of <see cref="Scheduling"/>. Called once, when there is a session.</summary>
    public void Show(Func<string> scheduling) => _scheduling = scheduling;

    /// <summary>Sets the source of <see cref="Devices"/>. Called once, before there is a tree.</summary>
    public void Show(Func<IReadOnlyList<(string Path, string Node, string Problem)>> devices) => _devices = devices;

    /// <summary>Sets the source of <see cref="Bus"/>. Called once, when there is such a door.</summary>
    public void ShowBus(Func<string> bus) => _bus = bus;
}

/// <summary>The facts about one TPM. Any thread.</summary>
/// <param name="way">The way to it, as the administrator wrote it.</param>
/// <param name="facts">The facts about it that are known at this moment.</param>
/// <param name="problem">The reason why it is not there; empty while it is.</param>
internal sealed class TpmStatus(int number, string way, Func<TpmFacts> facts, Func<string> problem)
{
    public int Number => number;

    public string Way => way;

    public TpmFacts Facts => facts();

    public string Problem => problem();

    /// <summary>Sets the function that gives <see cref="Unanswered"/>.</summary>
    public Func<UnansweredCommand?> FindUnanswered { private get; init; } = () => null;

    /// <summary>Gets the command that the TPM has not answered; null when it has answered all.</summary>
    public UnansweredCommand? Unanswered => FindUnanswered();
}
