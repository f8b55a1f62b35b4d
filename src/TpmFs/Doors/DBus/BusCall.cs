using System.Text;
using Tmds.DBus.Protocol;

namespace TpmFs.Doors.DBus;

/// <summary>A call of the object that waits for its answer. It does not keep the call's message.</summary>
/// <param name="Sender">The caller's unique name.</param>
/// <param name="Serial">The number of the call, for the answer.</param>
/// <param name="Connection">The connection that the call names; null to make one.</param>
/// <param name="Locality">The locality to set; null for another call.</param>
/// <param name="Refusal">The answer to a call that is none of the object's methods; null for one that is.</param>
internal sealed record BusCall(string Sender, uint Serial, ulong? Connection, byte? Locality, BusRefusal? Refusal)
{
    private byte[] Destination => Encoding.ASCII.GetBytes(Sender);

    /// <summary>Reads a call.</summary>
    /// <param name="request">The call.</param>
    /// <param name="ownInterface">The interface of the object's methods.</param>
    public static BusCall Read(Message request, string ownInterface)
    {
        bool isOurs = !request.InterfaceIsSet || request.InterfaceAsString == ownInterface;
        string method = request.MemberAsString ?? "";
        string given = request.SignatureAsString ?? "";
        string? expected = isOurs ? SignatureOf(method) : null;
        var call = new BusCall(request.SenderAsString ?? "", request.Serial, null, null, null);
        if (expected is null)
        {
            return call with { Refusal = BusRefusal.UnknownMethod(method) };
        }

        if (given != expected)
        {
            return call with { Refusal = BusRefusal.BadArguments(method, expected, given) };
        }

        Reader arguments = request.GetBodyReader();
        ulong? connection = expected.Length > 0 ? arguments.ReadUInt64() : null;
        return call with { Connection = connection, Locality = expected.Length > 1 ? arguments.ReadByte() : null };
    }

    private static string? SignatureOf(string method) => method switch
    {
        "CreateConnection" => "",
        "Cancel" => "t",
        "SetLocality" => "ty",
        _ => null,
    };

    /// <summary>Begins an answer.</summary>
    /// <param name="signature">The signature of what the caller of this method adds.</param>
    public MessageWriter BeginReply(DBusConnection bus, string signature)
    {
        MessageWriter reply = bus.GetMessageWriter();
        reply.WriteMethodReturnHeader(Serial, Destination, signature);
        return reply;
    }

    /// <summary>Answers with a TSS2 code.</summary>
    public void Reply(DBusConnection bus, uint code)
    {
        using MessageWriter reply = BeginReply(bus, "u");
        reply.WriteUInt32(code);
        bus.TrySendMessage(reply.CreateMessage());
    }

    /// <summary>Answers with an error.</summary>
    public void Refuse(DBusConnection bus, BusRefusal refusal)
    {
        using MessageWriter error = bus.GetMessageWriter();
        error.WriteError(Serial, Destination, refusal.ErrorName, refusal.Sentence);
        bus.TrySendMessage(error.CreateMessage());
    }
}
