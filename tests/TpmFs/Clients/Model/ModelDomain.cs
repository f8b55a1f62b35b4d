using TpmFs.Clients;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>Decides who should be admitted.</summary>
internal sealed class ModelDomain
{
    public const int FirstLimit = 8;
    private const int AdministratorsReserve = 16;

    public int Limit { get; set; } = FirstLimit;

    public bool IsGone { get; set; }

    /// <summary>
    /// Returns what a user who opens should get. A user gets one more while they have less than is free; the
    /// administrator while anything is free, and up to 16 as far as the limit allows so many at all.
    /// </summary>
    public Errno Admits(uint uid, bool isRaw, IEnumerable<ModelClient> clients)
    {
        ModelClient[] there = [.. clients.Where(client => !client.IsClosed)];
        int own = there.Count(client => client.Uid == uid);
        int free = Limit - there.Length;
        bool hasPlace = uid == 0
            ? free >= 1 || own + 1 <= Math.Min(AdministratorsReserve, Limit)
            : own + 1 <= free;
        return IsGone ? Errno.ENODEV
            : !hasPlace ? Errno.ENFILE
            : isRaw && there.Any(client => client.IsRaw && client.State != ConversationState.Ended) ? Errno.EBUSY
            : Errno.None;
    }
}
