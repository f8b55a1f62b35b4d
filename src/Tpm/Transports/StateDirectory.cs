using System.Diagnostics.CodeAnalysis;
using System.Runtime.Versioning;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// The directory with the state of an embedded swtpm. No other tpmfs can use it while this object lives.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class StateDirectory : IDisposable
{
    /// <summary>The time that a swtpm whose tpmfs was killed may take to finish its command.</summary>
    private static readonly TimeSpan s_predecessorTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>More bytes than swtpm keeps for a TPM 2.0.</summary>
    private const int StateSize = 32 * 1024;

    private readonly FileLock _lock;

    private StateDirectory(string path, FileLock held)
    {
        Path = path;
        _lock = held;
    }

    public string Path { get; }

    /// <summary>Makes the directory (0700) if it is missing, and locks it. Opens nothing of swtpm's.</summary>
    public static bool TryOpen(string directory, [NotNullWhen(true)] out StateDirectory? state, out string problem)
    {
        state = null;
        string path = System.IO.Path.GetFullPath(directory);
        if (path.Contains(',', StringComparison.Ordinal))
        {
            problem = $"the state directory {path} has a comma in its name, which swtpm's options cannot express; "
                + "choose another";
            return false;
        }

        if (!SafeDirectory.TryOpen(path, creates: true, out SafeDirectory? opened, out Errno error, out problem))
        {
            problem = error.IsError
                ? $"cannot make the state directory {path}: {error.Text()}"
                : $"swtpm's state directory cannot be used: {problem}";
            return false;
        }

        using (opened)
        {
            error = opened.CheckWritable();
            problem = error.IsError ? $"cannot write in the state directory {path}: {error.Text()}"
                : opened.WhyNotItsContent() is { Length: > 0 } wrong
                    ? $"swtpm's state directory cannot be used: {wrong}"
                : string.Empty;
        }

        return problem.Length == 0 && TryLock(path, out state, out problem);
    }

    /// <summary>
    /// Waits until no other swtpm uses the state. A swtpm whose tpmfs was killed ends after the command that it runs.
    /// swtpm locks the file ".lock" (fcntl(2)) while it runs.
    /// </summary>
    public bool WaitForPredecessor(Deadline deadline, out string problem)
    {
        Deadline end = deadline.OrAfter(s_predecessorTimeout);
        while (IsUsedBySwtpm())
        {
            if (end.Passed)
            {
                problem = $"another swtpm uses the state in {Path}; stop it, or choose another directory";
                return false;
            }

            Thread.Sleep(s_pollInterval);
        }

        problem = string.Empty;
        return true;
    }

    public void Dispose() => _lock.Dispose();

    private static bool TryLock(string path, [NotNullWhen(true)] out StateDirectory? state, out string problem)
    {
        state = null;
        string file = System.IO.Path.Combine(path, "tpmfs.lock");
        if (!FileLock.TryTake(file, out FileLock? held, out FileLockRefusal refusal))
        {
            problem = refusal.IsHeld
                ? $"another tpmfs uses the state directory {path}; stop it, or choose another directory"
                : CannotWrite(path, refusal.Problem);
            return false;
        }

        try
        {
            // A full disk shows only at a write. So as much as swtpm's state needs is written for a moment.
            held.CheckSpace(StateSize);
        }
        catch (IOException full)
        {
            held.Dispose();
            problem = CannotWrite(path, full.Message);
            return false;
        }

        state = new StateDirectory(path, held);
        problem = string.Empty;
        return true;
    }

    private static string CannotWrite(string path, string reason) =>
        $"cannot write in the state directory {path}: {reason}. Make room there, or choose another directory";

    private bool IsUsedBySwtpm()
    {
        string file = System.IO.Path.Combine(Path, ".lock");
        if (!File.Exists(file))
        {
            return false;
        }

        try
        {
            using var probe = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            probe.Lock(0, 0);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
