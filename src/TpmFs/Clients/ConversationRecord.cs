using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using TpmFs.Records;

namespace TpmFs.Clients;

/// <summary>
/// A conversation as the next daemon finds it: whose it is, its state, its command under way or its unread answer. The
/// conversation's lock guards it.
/// </summary>
/// <remarks>
/// One word has the state and the number of the command, and changes last: so after a kill between any two stores the
/// next daemon sees the state before a change, or the one after it. The data of a command are in one of two places, by
/// the command's number, so that the next command's data do not overwrite them before the word changes.
/// </remarks>
internal sealed class ConversationRecord
{
    private const int StateBits = 3;

    private static readonly int s_headLength = Marshal.SizeOf<Parts>();
    private readonly RecordArea _area;

    private ConversationRecord(RecordArea area) => _area = area;

    /// <summary>Gets the number of the last command; 0 before the first.</summary>
    public ulong Turn => Head.Word >> StateBits;

    /// <summary>Gets the state; null in a record that was not finished.</summary>
    public ConversationState? State => (Head.Word & ((1 << StateBits) - 1)) switch
    {
        0 => null,
        ulong state => (ConversationState)(state - 1),
    };

    /// <summary>Gets what is known of the last command.</summary>
    public ref Entry Last => ref OfTurn(Turn);

    private ref Parts Head => ref _area.As<Parts>();

    /// <summary>Writes down a conversation that has begun.</summary>
    public static ConversationRecord Begin(RecordStore? store, SavedConversation of)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(of, ConversationJson.Default.SavedConversation);
        var area = RecordArea.Reserve(
            store, (byte)RecordKind.Conversation, of.Identity.Id, s_headLength + text.Length);
        text.CopyTo(area.Span[s_headLength..]);
        var record = new ConversationRecord(area);
        record.Become(ConversationState.Idle, turn: 0);
        return record;
    }

    /// <summary>Reads a conversation of an earlier daemon.</summary>
    /// <returns>Null, and no record is left, when it had not begun or its record makes no sense.</returns>
    public static ConversationRecord? TryAdopt(RecordStore store, StoredRecord stored, out SavedConversation? of)
    {
        of = null;
        var area = RecordArea.Adopt(store, stored);
        var record = new ConversationRecord(area);
        try
        {
            of = area.Span.Length > s_headLength && record.State is { } state && state <= ConversationState.Ended
                ? JsonSerializer.Deserialize(area.Span[s_headLength..], ConversationJson.Default.SavedConversation)
                : null;
        }
        catch (JsonException)
        {
            // As a record of nobody.
        }

        if (of is { Identity: { Client: not null, Domain: not null, Node: { Name: not null } } identity }
            && identity.Id == stored.Id)
        {
            return record;
        }

        of = null;
        record.Remove();
        return null;
    }

    /// <summary>A command is under way.</summary>
    /// <param name="turn">Its number.</param>
    /// <param name="command">What is known of it.</param>
    public void Run(ulong turn, in Entry command)
    {
        OfTurn(turn) = command;
        Become(ConversationState.Running, turn);
    }

    /// <summary>The command's answer is there.</summary>
    /// <param name="bytes">The number of its bytes; 0 where it is an error.</param>
    /// <param name="error">The error.</param>
    /// <param name="readyAt">Since when.</param>
    public void Answer(ulong bytes, Errno error, long readyAt)
    {
        ref Entry last = ref Last;
        last.Answer = bytes;
        last.Error = error.Value;
        last.Since = readyAt;
        Become(ConversationState.Unread, Turn);
    }

    /// <summary>So many bytes of the answer are taken.</summary>
    public void Take(int position)
    {
        Volatile.Write(ref Last.Position, position);
        _area.Wrote();
    }

    /// <summary>The state is another.</summary>
    public void Become(ConversationState state, ulong turn)
    {
        Volatile.Write(ref Head.Word, (turn << StateBits) | ((ulong)state + 1));
        _area.Wrote();
    }

    /// <summary>The client is gone. Idempotent.</summary>
    public void Remove() => _area.Remove();

    private ref Entry OfTurn(ulong turn)
    {
        ref Parts head = ref Head;
        return ref (turn & 1) == 0 ? ref head.Even : ref head.Odd;
    }

    /// <summary>The part of the record that belongs to one command.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Entry
    {
        public ulong Request;
        public ulong Command;
        public ulong Answer;
        public int Error;
        public int Position;
        public uint Code;
        public long Since;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Parts
    {
        public ulong Word;
        public Entry Even;
        public Entry Odd;
    }
}

/// <summary>The identity of a conversation, and its handle space.</summary>
/// <param name="Identity">Who leads it, and where.</param>
/// <param name="Space">The number of its handle space.</param>
internal sealed record SavedConversation(ConversationIdentity Identity, long Space);

[JsonSourceGenerationOptions(UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(SavedConversation))]
internal sealed partial class ConversationJson : JsonSerializerContext;
