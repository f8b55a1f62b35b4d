namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>A door as its client sees it.</summary>
internal interface IClientDoor
{
    /// <summary>Gets the events that are ready at this moment.</summary>
    Readiness Ready { get; }

    /// <summary>
    /// Gets the number of times that the client was told that a poll of it is ready; null for a door without polls.
    /// </summary>
    int? Woken { get; }

    Errno Write(byte[] data);

    /// <summary>Reads; the result may come later.</summary>
    IClientRead Read(int size, bool blocks);

    /// <summary>Asks to be told once when something of this is ready that was not.</summary>
    void Poll(Readiness wanted);

    void Close();
}

/// <summary>A read of a client.</summary>
internal interface IClientRead
{
    bool IsAnswered { get; }

    /// <summary>Gets the result, once there is one.</summary>
    (byte[] Data, Errno Error) Result { get; }

    /// <summary>Ends the wait, as a signal does.</summary>
    void Interrupt();
}

/// <summary>The actions of a client that need no wait.</summary>
[Flags]
internal enum Readiness
{
    None = 0,
    Readable = 1,
    Writable = 2,
    Ended = 4,
}
