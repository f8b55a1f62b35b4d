using System.Text.Json;

namespace TpmFs.State;

/// <summary>
/// The state file on disk. It is replaced as a whole, so whenever the daemon or the machine dies there is an old one or
/// a new one.
/// </summary>
internal sealed class StateFile(string directory)
{
    private const int MaxSize = 64 << 20;
    private const string Name = "state.json";

    public string Path { get; } = System.IO.Path.Combine(directory, Name);

    /// <summary>Reads the file. One that is not there says that nothing was changed.</summary>
    /// <param name="document">The content.</param>
    /// <param name="fault">The reason why the file cannot be used.</param>
    public bool TryRead(out StateDocument document, out StateFault fault)
    {
        document = new StateDocument();
        bool opens = SafeDirectory.TryOpen(
            directory, creates: false, out SafeDirectory? folder, out Errno error, out string problem);
        fault = new StateFault(problem, IsNewer: false);
        if (!opens)
        {
            return error == Errno.ENOENT;
        }

        using (folder)
        {
            bool reads = folder!.TryRead(Name, MaxSize, out byte[] text, out error, out problem);
            fault = new StateFault(problem, IsNewer: false);
            return reads ? TryParse(text, out document, out fault) : error == Errno.ENOENT;
        }
    }

    /// <summary>Moves a file that cannot be used out of the way, so that nobody's work is overwritten.</summary>
    /// <returns>The new name, or null with the problem.</returns>
    public string? TrySetAside(StateFault fault, DateTimeOffset now, out string problem)
    {
        string aside = $"{Name}.{(fault.IsNewer ? "newer" : "damaged")}-{now:yyyyMMddTHHmmssfff}";
        if (!SafeDirectory.TryOpen(directory, creates: false, out SafeDirectory? folder, out _, out problem))
        {
            return null;
        }

        using (folder)
        {
            Errno error = folder.Rename(Name, aside);
            problem = error.IsError ? error.Text() : "";
            return error.IsError ? null : System.IO.Path.Combine(directory, aside);
        }
    }

    /// <summary>Replaces the file. The new one is on the disk when this returns true.</summary>
    public bool TryWrite(StateDocument document, out string problem)
    {
        if (!SafeDirectory.TryOpen(directory, creates: false, out SafeDirectory? folder, out _, out problem))
        {
            return false;
        }

        using (folder)
        {
            try
            {
                return folder.TryReplace(Name, stream => Write(stream, document), out problem);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problem = e.Message;
                return false;
            }
        }
    }

    private static void Write(Stream stream, StateDocument document)
    {
        JsonSerializer.Serialize(stream, document, StateJson.Default.StateDocument);
        stream.WriteByte((byte)'\n');
    }

    private static bool TryParse(byte[] text, out StateDocument document, out StateFault fault)
    {
        document = new StateDocument();
        try
        {
            int version = JsonSerializer.Deserialize(text, StateJson.Default.StateVersion)?.Version ?? 0;
            bool isKnown = version == StateDocument.CurrentVersion;
            document = isKnown ? JsonSerializer.Deserialize(text, StateJson.Default.StateDocument)! : document;
            fault = new StateFault(
                isKnown ? WhatIsWrong(document)
                    : $"its version is {version}, and this tpmfs knows {StateDocument.CurrentVersion}",
                version > StateDocument.CurrentVersion);
        }
        catch (JsonException e)
        {
            fault = new StateFault(e.Message, IsNewer: false);
        }

        return fault.Problem.Length == 0;
    }

    private static string WhatIsWrong(StateDocument document)
    {
        foreach ((string? path, SavedAccess? saved) in document.Access ?? [])
        {
            if (saved is null || !Saved.TryRead(saved, out Permissions.ChangedAccess _))
            {
                return $"the access of \"{path}\" makes no sense";
            }
        }

        foreach ((string? path, SavedLimits? saved) in document.Limits ?? [])
        {
            if (saved is null || !Saved.TryRead(saved, out Policy.Limits _))
            {
                return $"the limits of \"{path}\" make no sense";
            }
        }

        return document is { Made: not null, Access: not null, Limits: not null } ? "" : "a part of it is missing";
    }
}

/// <summary>Says why a state file cannot be used.</summary>
/// <param name="Problem">The problem; empty where there is none.</param>
/// <param name="IsNewer">True when a newer tpmfs wrote it, so that it is not damaged.</param>
internal readonly record struct StateFault(string Problem, bool IsNewer);
