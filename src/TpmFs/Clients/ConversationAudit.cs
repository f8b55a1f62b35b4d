using Serilog;
using TpmFs.Logs;
using TpmFs.Tpm;

namespace TpmFs.Clients;

/// <summary>Writes the audit's events about conversations. Any thread; never waits.</summary>
internal static class ConversationAudit
{
    /// <summary>Logs that a conversation ends before its client closes it.</summary>
    public static void Revoked(ILogger log, ConversationIdentity who) =>
        log.Of(EventType.OpenerRevoked).ForContext(LogShares.DomainProperty, who.DomainName).Information(
            "opener {Opener} of {Node} (process {Pid}, {Command}, of user {Uid}) is revoked", who.Id, who.Path,
            who.Client.Pid, who.Client.Command, who.Client.Uid);

    /// <summary>Logs that the daemon ends a conversation because its client holds up others.</summary>
    public static void Expelled(ILogger log, ConversationIdentity who, string why) =>
        log.Of(EventType.OpenerRevoked).ForContext(LogShares.DomainProperty, who.DomainName).Warning(
            "opener {Opener} of {Node} (process {Pid}, {Command}, of user {Uid}) is revoked, because it held up all "
                + "others: {Why}", who.Id, who.Path, who.Client.Pid, who.Client.Command, who.Client.Uid, why);

    /// <summary>Logs that a domain's policy refused a command.</summary>
    public static void Denied(ILogger log, ConversationIdentity who, TpmCc command)
    {
        TpmRc answer = command == TpmCc.Startup ? TpmRc.Initialize : TpmRc.CommandCode.FromResourceManager;
        log.Of(EventType.CommandDenied).Warning(
            "{Node}: the policy of {Domain} refuses {CommandCode} to opener {Opener}, process {Pid} ({Command}) of "
                + "user {Uid}, with {ResponseCode}",
            who.Path,
            who.DomainName,
            command.ToName(),
            who.Id,
            who.Client.Pid,
            who.Client.Command,
            who.Client.Uid,
            $"0x{answer.Value:X8}");
    }
}
