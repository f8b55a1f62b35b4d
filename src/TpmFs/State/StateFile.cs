using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.State;

/// <summary>The state file on disk. It is replaced as a whole, so whenever the daemon or the machine dies there is an old one or a new one.</summary>
internal sealed class StateFile(string directory)
{
    private const int MaxSize = 64 << 20;
    private const string Name = "state.json";

    public string Path { get; } = System.IO.Path.Combine(directory, Name);

    private string Next => Path + ".new";

    /// <summary>
    /// Reads it. One that is not there says nothing was changed. False with what is wrong when it cannot be read, or is damaged.
    /// </summary>
    public bool TryRead(out StateDocument document, out string problem)
    {
        document = new StateDocument();
        problem = "";
        try
        {
            if (new FileInfo(Path) is { Exists: true, Length: > MaxSize })
            {
                problem = $"it is larger than {MaxSize} bytes";
                return false;
            }

            document = JsonSerializer.Deserialize(File.ReadAllBytes(Path), StateJson.Default.StateDocument) ?? new StateDocument { Version = 0 };
            problem = document.Version != StateDocument.CurrentVersion
                ? $"its version is {document.Version}, and this tpmfs knows {StateDocument.CurrentVersion}"
                : WhatIsWrong(document);
            return problem.Length == 0;
        }
        catch (FileNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            problem = e.Message;
            return false;
        }
    }

    /// <summary>Moves a damaged file out of the way, so that nobody's work is overwritten. The new name, or null with the problem.</summary>
    public string? TrySetAside(DateTimeOffset now, out string problem)
    {
        problem = "";
        string aside = $"{Path}.damaged-{now:yyyyMMddTHHmmssfff}";
        try
        {
            File.Move(Path, aside, overwrite: false);
            return aside;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = e.Message;
            return null;
        }
    }

    /// <summary>Replaces it, on disk when this returns true: the new file and the directory are synchronised.</summary>
    public bool TryWrite(StateDocument document, out string problem)
    {
        try
        {
            using (var stream = new FileStream(Next, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                JsonSerializer.Serialize(stream, document, StateJson.Default.StateDocument);
                stream.WriteByte((byte)'\n');
                stream.Flush(flushToDisk: true);
            }

            File.Move(Next, Path, overwrite: true);
            return TrySyncDirectory(out problem);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = e.Message;
            return false;
        }
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

    private bool TrySyncDirectory(out string problem)
    {
        Errno error = FileCalls.Open(directory, OpenOptions.ReadOnly | OpenOptions.Directory, 0, out SafeFileHandle opened);
        using SafeFileHandle folder = opened;
        error = error.IsError ? error : FileCalls.Synchronize(folder);
        problem = error.IsError ? $"{directory}: {error.Text()}" : "";
        return !error.IsError;
    }
}
