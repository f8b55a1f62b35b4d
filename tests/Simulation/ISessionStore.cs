namespace TpmFs.Simulation;

/// <summary>The way in which a start-up goes on from the shutdown before it (Part 1, 12.2.3).</summary>
internal enum StartupKind
{
    Reset,
    Restart,
    Resume,
}

/// <summary>The sessions of a TPM. A handle's type byte says nothing here: the low 24 bits are the session.</summary>
internal interface ISessionStore
{
    /// <summary>The largest index that a session can have.</summary>
    uint LastIndex { get; }

    int LoadedCount { get; }

    int LoadedAvailable { get; }

    int ActiveCount { get; }

    int ActiveAvailable { get; }

    TpmSession? Loaded(uint handle);

    bool IsSaved(uint handle);

    /// <summary>
    /// Takes in a new session. Answers TPM_RC_SESSION_MEMORY, CONTEXT_GAP or SESSION_HANDLES when it cannot.
    /// </summary>
    uint Start(TpmSession session, out uint handle);

    /// <summary>Gives a loaded session a context id and forgets what it held.</summary>
    uint Save(uint handle, out ulong contextId);

    /// <summary>
    /// Takes back a session whose context is authentic. A context that is not the last one saved is TPM_RC_HANDLE.
    /// </summary>
    uint Load(uint handle, ulong contextId, TpmSession session);

    /// <summary>Ends a loaded or saved session; false when there is none.</summary>
    bool Flush(uint handle);

    /// <summary>The loaded sessions with their own type byte, by index.</summary>
    IEnumerable<uint> LoadedHandles();

    /// <summary>The saved sessions, by index, all with the type byte of an HMAC session.</summary>
    IEnumerable<uint> SavedHandles();

    /// <summary>Returns the state that Shutdown(STATE) preserves, to be given to <see cref="Startup"/>.</summary>
    object Preserve();

    void Startup(StartupKind kind, object? preserved);
}
