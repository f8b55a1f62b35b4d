using System.Runtime.CompilerServices;
using Serilog;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>
/// A kind of event that can be found by its MESSAGE_ID, and is explained in the journal's catalog
/// (dist/systemd/tpmfs.catalog, which has an entry for each of them).
/// </summary>
/// <param name="MessageId">128 random bits in hexadecimal (sd-id128(3)), never changed.</param>
internal sealed record EventType(string MessageId)
{
    public const string MessageIdProperty = "MessageId";
    public const string FileProperty = "CodeFile";
    public const string LineProperty = "CodeLine";
    public const string FunctionProperty = "CodeFunc";

    private static readonly HashSet<string> s_audited = []; // above the types, which fill it

    public static readonly EventType Ready = new("465608b878ed4274840169234f12c14f");
    public static readonly EventType Ended = new("f9cc2ae99a2c467e8ff2ed5fff2dee97");
    public static readonly EventType Reloaded = new("3e0808e626744d7c8fae0aeb8d9b4e50");
    public static readonly EventType NotReloaded = new("f5b6a40dc01642e0af53a632b4c585b7");
    public static readonly EventType TpmLost = new("a170b3eb07d347c2849fa55d520e92c3");
    public static readonly EventType TpmBack = new("364186f073f24aabb6b91026d0e7949f");
    public static readonly EventType BusLost = new("db103221c0614379bbce11968bff404e");
    public static readonly EventType SessionTaken = new("dd08d8db5d0844d38417d4ee3d1977d5");
    public static readonly EventType Fault = new("6b783539a4fa429bba55ec013de64983");
    public static readonly EventType StateNotKept = new("0614c66efd9048e4955e13fa608d8a5e");
    public static readonly EventType TakenOver = new("ab22bb7528d649f68a3ecd5d2703b98c");
    public static readonly EventType NotTakenOver = new("0f45e2c4e2b34039a65e66c245c39e4d");
    public static readonly EventType HandedOver = new("e07d8175d7eb421b94e992dafbc13839");
    public static readonly EventType Dropped = new("51b196d4263843e081d4ecb6f4fa3178");

    // The audit: who did what, and with what result.
    public static readonly EventType CommandDenied = OfAudit("bc2651d65e9c42569f35ac2380ee6d8d");
    public static readonly EventType Ordered = OfAudit("b20cb2fda8c94329a2043799f8152d4a");
    public static readonly EventType AccessChanged = OfAudit("7c61fff2ee2844f688818f88ee8182c9");
    public static readonly EventType LimitsChanged = OfAudit("89a9a8fc356e431487ae9a41d1c8f5b0");
    public static readonly EventType Reset = OfAudit("5aa477835bd14d55b5b268a1cd9f25c7");
    public static readonly EventType DomainMade = OfAudit("8ce575f179ae4a6a941a8e5e34c24c16");
    public static readonly EventType DomainRemoved = OfAudit("4fa6143518fa40cbbdae08ddd8bb34b3");
    public static readonly EventType OpenerRevoked = OfAudit("1fb4fb6550fa4088b115351e5c30861c");
    public static readonly EventType CallRefused = OfAudit("cd2cf086c3b64e54a4109070404565ba");

    /// <summary>Returns true when an event is of the audit, which is logged whatever the log's level.</summary>
    public static bool IsOfAudit(LogEvent logEvent) =>
        logEvent.Properties.TryGetValue(MessageIdProperty, out LogEventPropertyValue? id)
            && id is ScalarValue { Value: string number } && s_audited.Contains(number);

    private static EventType OfAudit(string messageId)
    {
        s_audited.Add(messageId);
        return new EventType(messageId);
    }
}

internal static class EventTypeLogging
{
    /// <summary>Returns a logger whose events are of a type, and name their place in the source.</summary>
    public static ILogger Of(
        this ILogger log, EventType type, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0,
        [CallerMemberName] string function = "") =>
        log.ForContext(EventType.MessageIdProperty, type.MessageId)
            .ForContext(EventType.FileProperty, file)
            .ForContext(EventType.LineProperty, line)
            .ForContext(EventType.FunctionProperty, function);
}
