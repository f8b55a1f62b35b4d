using System.Globalization;
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
/// <remarks>
/// The library keeps the message of a call, which may have 32 MiB, until it is answered, and the bus does not bound the
/// calls that want no answer. So the daemon keeps no message. It keeps a <see cref="BusCall"/> of each call that waits,
/// and of no more calls than limits say. It answers the calls past the limits at once or never, and Introspect, which
/// only people call, in the same way. It does not carry out a call that wants no answer.
/// </remarks>
internal sealed class TabrmdObject : IPathMethodHandler
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

    /// <summary>The most calls of one caller. Those of all together cost some 16 MB.</summary>
    private const int MostOfCaller = 32;
    private const int MostOfAll = 16 * 1024;

    /// <summary>
    /// The most calls of one user whose answers wait for their turn. The others get none: a user can be many callers,
    /// one after the other, and make more calls than the bus takes answers.
    /// </summary>
    private const int MostOfUser = 1024;

    /// <summary>The time for which a caller waits for what the bus says of that caller.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly DBusConnection _bus;
    private readonly IBusAdmission _admission;
    private readonly SocketThreads _sockets;
    private readonly ILogger _log;
    private readonly CallLimit<string> _callers = new(MostOfCaller, MostOfAll);
    private readonly CallLimit<uint> _users = new(MostOfUser, MostOfAll);
    private readonly BusOutbox _outbox;
    private readonly CallerQuestions _questions;

    /// <param name="bus">This daemon's connection to the bus.</param>
    /// <param name="admission">Decides which nodes a caller may open.</param>
    /// <param name="sockets">The connections.</param>
    /// <param name="log">Logs the refusals.</param>
    public TabrmdObject(DBusConnection bus, IBusAdmission admission, SocketThreads sockets, ILogger log)
    {
        (_bus, _admission, _sockets, _log) = (bus, admission, sockets, log);
        _outbox = new BusOutbox(() => BusCaller.AskBusAsync(bus));
        _questions = new CallerQuestions(name => FindCallerAsync(bus, _outbox, name));
    }

    public string Path => "/com/intel/tss2/Tabrmd/Tcti";

    public bool HandlesChildPaths => false;

    /// <summary>
    /// Takes a call. A call that needs an answer from the bus first is continued later, so that it does not hold up
    /// other calls.
    /// </summary>
    public ValueTask HandleMethodAsync(MethodContext context)
    {
        if (context.NoReplyExpected)
        {
            return default; // The library drops it.
        }

        context.DisposesAsynchronously = true;
        if (context.IsDBusIntrospectRequest)
        {
            ReplyNow(context, () => context.ReplyIntrospectXml(s_introspection, ReadOnlySpan<string>.Empty));
        }
        else if (!_callers.TryBegin(context.Request.SenderAsString ?? ""))
        {
            BusRefusal refusal = BusRefusal.TooManyCalls;
            ReplyNow(context, () => context.ReplyError(refusal.ErrorName, refusal.Sentence));
        }
        else
        {
            _ = CallAsync(BusCall.Read(context.Request, Interface));
        }

        return default;
    }

    /// <summary>Carries out a call that <see cref="_callers"/> counts.</summary>
    private async Task CallAsync(BusCall call)
    {
        try
        {
            ClientSocket? own = call.Connection is { } id ? FindOwn(call.Sender, id) : null;
            BusCaller? caller = own?.Owner ?? await _questions.AskAsync(call.Sender).ConfigureAwait(false);
            if (caller is not null)
            {
                await AnswerAsync(call, caller, own).ConfigureAwait(false);
            }
            else
            {
                await SendAsync(call.Sender, () => call.Refuse(_bus, BusRefusal.UnknownCaller)).ConfigureAwait(false);
            }
        }
        catch (Exception gone) when (gone is DBusConnectionException or DBusMessageException
            or OperationCanceledException)
        {
            // The caller or the bus has gone: there is nobody to answer.
        }
        finally
        {
            _callers.End(call.Sender);
        }
    }

    /// <summary>Answers when it is the turn of the caller's user.</summary>
    private async Task AnswerAsync(BusCall call, BusCaller caller, ClientSocket? own)
    {
        if (!_users.TryBegin(caller.Uid))
        {
            return;
        }

        try
        {
            string user = caller.Uid.ToString(CultureInfo.InvariantCulture);
            await SendAsync(user, () => Answer(call, caller, own)).ConfigureAwait(false);
        }
        finally
        {
            _users.End(caller.Uid);
        }
    }

    /// <returns>Null when the bus does not say, or its answer is lost.</returns>
    private static async Task<BusCaller?> FindCallerAsync(DBusConnection bus, BusOutbox outbox, string name)
    {
        Task<BusCaller?> answer =
            await outbox.SendAsync(name, () => BusCaller.FindAsync(bus, name)).ConfigureAwait(false);
        try
        {
            return await answer.WaitAsync(s_patience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    /// <summary>
    /// Answers a call at once, or never: while answers wait for their turn, the call is forgotten. It is not disposed
    /// of then, which would send an answer.
    /// </summary>
    private void ReplyNow(MethodContext context, Action reply)
    {
        if (_outbox.TrySend(reply))
        {
            context.Dispose();
        }
    }

    /// <summary>Sends one message when it is the turn of a caller or user.</summary>
    private Task<bool> SendAsync(string turn, Action send) => _outbox.SendAsync(turn, () =>
    {
        send();
        return true;
    });

    private void Answer(BusCall call, BusCaller caller, ClientSocket? own)
    {
        if (call.Refusal is { } unknown)
        {
            call.Refuse(_bus, unknown);
            return;
        }

        BusRefusal? refusal = call.Connection is not { } id ? Connect(call, caller)
            : own is null ? BusRefusal.NotYours(id)
            : call.Locality is { } locality ? SetLocality(call, own, locality)
            : Cancel(call, own);
        if (refusal is not null)
        {
            BusAudit.Refused(_log, caller, refusal);
            call.Refuse(_bus, refusal);
        }
    }

    /// <summary>Returns the connection that has an id, if the sender made it.</summary>
    private ClientSocket? FindOwn(string sender, ulong id) =>
        _sockets.Find(ConnectionId.NumberOf(id)) is { } found && ConnectionId.Of(found.Number) == id
            && found.Owner.Is(_bus, sender) ? found : null;

    private BusRefusal? Connect(BusCall call, BusCaller caller)
    {
        if (!_admission.TryAdmit(caller, out string node, out Conversation? conversation, out Errno refusal))
        {
            return BusRefusal.Of(refusal, node, caller);
        }

        refusal = _sockets.TryConnect(conversation, caller, out ClientSocket? made, out SafeFileHandle theirs);
        using (theirs)
        {
            if (made is null || refusal.IsError)
            {
                return BusRefusal.Of(refusal, node, caller);
            }

            ConnectionId.Reply(_bus, call, theirs, made.Number);
            return null;
        }
    }

    private BusRefusal? SetLocality(BusCall call, ClientSocket of, byte locality)
    {
        Errno error = _admission.CheckLocality(of.Owner, of.Identity, locality, out string node);
        if (error.IsError)
        {
            return BusRefusal.Of(error, node, of.Owner);
        }

        of.SetLocality(locality);
        call.Reply(_bus, TssCode.Success);
        return null;
    }

    private BusRefusal? Cancel(BusCall call, ClientSocket of)
    {
        call.Reply(_bus, of.TryCancel() ? TssCode.Success : TssCode.BadSequence);
        return null;
    }
}
