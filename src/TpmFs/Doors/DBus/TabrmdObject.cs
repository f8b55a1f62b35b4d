using Microsoft.Win32.SafeHandles;
using Serilog;
using Tmds.DBus.Protocol;
using TpmFs.Clients;
using TpmFs.Logs;

namespace TpmFs.Doors.DBus;

/// <summary>
/// Serves the object that tpm2-abrmd has on the bus: CreateConnection, Cancel and SetLocality. Calls of one caller may
/// be answered in another order than they came.
/// </summary>
/// <param name="bus">This daemon's connection to the bus.</param>
/// <param name="admission">Decides which nodes a caller may open.</param>
/// <param name="sockets">The connections.</param>
/// <param name="log">Logs the refusals.</param>
internal sealed class TabrmdObject(DBusConnection bus, IBusAdmission admission, SocketThreads sockets, ILogger log)
    : IPathMethodHandler
{
    private const string Interface = "com.intel.tss2.TctiTabrmd";
    private static readonly ReadOnlyMemory<byte>[] s_introspection =
    [
        """
        <interface name="com.intel.tss2.TctiTabrmd">
          <method name="CreateConnection"><arg type="t" name="id" direction="out"/></method>
          <method name="Cancel">
            <arg type="t" name="id" direction="in"/><arg type="u" name="return_code" direction="out"/>
          </method>
          <method name="SetLocality">
            <arg type="t" name="id" direction="in"/><arg type="y" name="locality" direction="in"/>
            <arg type="u" name="return_code" direction="out"/>
          </method>
        </interface>

        """u8.ToArray(),
    ];

    private readonly CallLimit _limit = new();
    private readonly BusOutbox _outbox = new(() => BusCaller.AskBusAsync(bus));

    public string Path => "/com/intel/tss2/Tabrmd/Tcti";

    public bool HandlesChildPaths => false;

    /// <summary>
    /// Takes a call. A call that needs an answer from the bus first is continued later, so that it does not hold up
    /// other calls.
    /// </summary>
    public ValueTask HandleMethodAsync(MethodContext context)
    {
        Message request = context.Request;
        bool isOurs = !request.InterfaceIsSet || request.InterfaceAsString == Interface;
        string method = isOurs ? request.MemberAsString ?? "" : "";
        string sender = request.SenderAsString ?? "";
        context.DisposesAsynchronously = true;
        if (context.IsDBusIntrospectRequest)
        {
            _ = ReplyOnlyAsync(context, sender, () =>
                context.ReplyIntrospectXml(s_introspection, ReadOnlySpan<string>.Empty));
        }
        else if (SignatureOf(method) is not { } expected)
        {
            _ = ReplyOnlyAsync(context, sender, context.ReplyUnknownMethodError);
        }
        else
        {
            Call(context, method, sender, expected);
        }

        return default;
    }

    private static string? SignatureOf(string method) => method switch
    {
        "CreateConnection" => "",
        "Cancel" => "t",
        "SetLocality" => "ty",
        _ => null,
    };

    private void Call(MethodContext context, string method, string sender, string expected)
    {
        string given = context.Request.SignatureAsString ?? "";
        BusRefusal? refusal = given != expected ? BusRefusal.BadArguments(method, expected, given)
            : !_limit.TryBegin(sender) ? BusRefusal.TooManyCalls : null;
        if (refusal is not null)
        {
            _ = ReplyOnlyAsync(context, sender, () => context.ReplyError(refusal.ErrorName, refusal.Sentence));
            return;
        }

        Reader arguments = context.Request.GetBodyReader();
        ulong id = expected.Length > 0 ? arguments.ReadUInt64() : 0;
        byte? locality = expected.Length > 1 ? arguments.ReadByte() : null;
        _ = CallAsync(context, sender, expected.Length == 0 ? null : new ConnectionCall(id, locality));
    }

    /// <summary>Makes a connection, or carries out a call on a connection that exists.</summary>
    private async Task CallAsync(MethodContext context, string sender, ConnectionCall? call)
    {
        try
        {
            using MethodContext _ = context;
            ClientSocket? own = call is null ? null : FindOwn(sender, call.Id);
            BusCaller? caller = own?.Owner ?? await FindCallerAsync(sender).ConfigureAwait(false);
            await ReplyAsync(sender, () => Answer(context, sender, caller, call, own)).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is DBusConnectionException or DBusMessageException
            or OperationCanceledException)
        {
            // The caller or the bus has gone: there is nobody to answer.
        }
        finally
        {
            _limit.End(sender);
        }
    }

    private async Task<BusCaller?> FindCallerAsync(string sender) =>
        await (await _outbox.SendAsync(sender, () => BusCaller.FindAsync(bus, sender)).ConfigureAwait(false))
            .ConfigureAwait(false);

    /// <summary>Answers a call that needs nothing from the bus.</summary>
    private async Task ReplyOnlyAsync(MethodContext context, string sender, Action reply)
    {
        using MethodContext _ = context;
        await ReplyAsync(sender, reply).ConfigureAwait(false);
    }

    /// <summary>Sends the one reply of a call, when it is the caller's turn.</summary>
    private Task<bool> ReplyAsync(string sender, Action reply) => _outbox.SendAsync(sender, () =>
    {
        reply();
        return true;
    });

    private void Answer(
        MethodContext context, string sender, BusCaller? caller, ConnectionCall? call, ClientSocket? own)
    {
        BusRefusal? refusal = caller is null ? BusRefusal.UnknownCaller
            : call is null ? Connect(context, caller)
            : own is null ? BusRefusal.NotYours(call.Id)
            : call.Locality is { } locality ? SetLocality(context, own, locality)
            : Cancel(context, own);
        if (refusal is not null)
        {
            BusAudit.Refused(log, caller, sender, refusal);
            context.ReplyError(refusal.ErrorName, refusal.Sentence);
        }
    }

    /// <summary>Returns the connection that has an id, if the sender made it.</summary>
    private ClientSocket? FindOwn(string sender, ulong id) =>
        sockets.Find(ConnectionId.NumberOf(id)) is { } found && ConnectionId.Of(found.Number) == id
            && found.Owner.Is(bus, sender) ? found : null;

    private BusRefusal? Connect(MethodContext context, BusCaller caller)
    {
        if (!admission.TryAdmit(caller, out string node, out Conversation? conversation, out Errno refusal))
        {
            return BusRefusal.Of(refusal, node, caller);
        }

        refusal = sockets.TryConnect(conversation, caller, out ClientSocket? made, out SafeFileHandle theirs);
        using (theirs)
        {
            if (made is null || refusal.IsError)
            {
                return BusRefusal.Of(refusal, node, caller);
            }

            context.Reply(ConnectionId.Answer(context, theirs, made.Number));
            return null;
        }
    }

    private BusRefusal? SetLocality(MethodContext context, ClientSocket of, byte locality)
    {
        Errno error = admission.CheckLocality(of.Owner, of.Identity, locality, out string node);
        if (error.IsError)
        {
            return BusRefusal.Of(error, node, of.Owner);
        }

        of.SetLocality(locality);
        Reply(context, TssCode.Success);
        return null;
    }

    private static BusRefusal? Cancel(MethodContext context, ClientSocket of)
    {
        Reply(context, of.TryCancel() ? TssCode.Success : TssCode.BadSequence);
        return null;
    }

    private static void Reply(MethodContext context, uint code)
    {
        using MessageWriter reply = context.CreateReplyWriter("u");
        reply.WriteUInt32(code);
        context.Reply(reply.CreateMessage());
    }

    /// <summary>A call that names a connection.</summary>
    /// <param name="Locality">Null to cancel.</param>
    private sealed record ConnectionCall(ulong Id, byte? Locality);
}
