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
    /// <param name="document">What it says.</param>
    /// <param name="problem">Why it cannot be read, or what is damaged in it.</param>
    public bool TryRead(out StateDocument document, out string problem)
    {
        document = new StateDocument();
        if (!SafeDirectory.TryOpen(directory, creates: false, out SafeDirectory? folder, out Errno error, out problem))
        {
            return error == Errno.ENOENT;
        }

        using (folder)
        {
            return folder.TryRead(Name, MaxSize, out byte[] text, out error, out problem)
                ? TryParse(text, out document, out problem)
                : error == Errno.ENOENT;
        }
    }

    /// <summary>Moves a damaged file out of the way, so that nobody's work is overwritten.</summary>
    /// <returns>The new name, or null with the problem.</returns>
    public string? TrySetAside(DateTimeOffset now, out string problem)
    {
        string aside = $"{Name}.damaged-{now:yyyyMMddTHHmmssfff}";
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

    private static bool TryParse(byte[] text, out StateDocument document, out string problem)
    {
        document = new StateDocument();
        try
        {
            document =
                JsonSerializer.Deserialize(text, StateJson.Default.StateDocument) ?? new StateDocument { Version = 0 };
        }
        catch (JsonException e)
        {
            problem = e.Message;
            return false;
        }

        problem = document.Version != StateDocument.CurrentVersion
            ? $"its version is {document.Version}, and this tpmfs knows {StateDocument.CurrentVersion}"
            : WhatIsWrong(document);
        return problem.Length == 0;
    }

    private static string WhatIsWrong(StateDocument document)
    {
        foreach ((string? path, SavedAccess? saved) in document.Access ?? [])
        {
            if (saved is null || !Saved.TryRead(saved, out _))
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
