using System.ComponentModel;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse.Mount;

/// <summary>
/// Calls the set-uid helper of package fuse3, for users who are not root. The helper opens /dev/fuse, mounts, and sends
/// the descriptor through the socket whose number _FUSE_COMMFD holds.
/// </summary>
internal sealed class FusermountMounter(IFuseLog log, string configurationPath = FusermountMounter.ConfigurationPath)
    : IMounter
{
    public const string ConfigurationPath = "/etc/fuse.conf";

    private const string Program = "fusermount3";
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    public bool TryMount(
        string mountPoint, FuseMountOptions options, [NotNullWhen(true)] out SafeFileHandle? device, out string problem)
    {
        device = null;
        Errno error = SocketCalls.Pair(out SafeFileHandle? ours, out SafeFileHandle? theirs);
        using (ours)
        using (theirs)
        {
            if (!error.IsError)
            {
                error = FileCalls.SetInheritable(theirs, inheritable: true);
            }

            if (error.IsError)
            {
                problem = $"Cannot make a socket for {Program}: {error.Text()}.";
                return false;
            }

            if (!TryRun(["-o", Options(options), "--", mountPoint], theirs, out problem))
            {
                return false;
            }

            theirs.Dispose();
            error = SocketCalls.ReceiveDescriptor(ours, out device);
            problem = error.IsError
                ? $"{Program} did not hand over the mount's descriptor: {error.Text()}."
                : string.Empty;
            return !error.IsError;
        }
    }

    public bool TryUnmount(string mountPoint, out string problem) =>
        TryRun(["-u", "-q", "--", mountPoint], null, out problem)
            || TryRun(["-u", "-z", "--", mountPoint], null, out problem);

    /// <summary>Returns true when /etc/fuse.conf lets users open their mounts to others.</summary>
    private bool MayAllowOther()
    {
        try
        {
            return File.ReadLines(configurationPath).Any(line => line.Trim() == "user_allow_other");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Information(
                $"'{configurationPath}' cannot be read ({e.Message}), so user_allow_other counts as not set.");
            return false;
        }
    }

    private string Options(FuseMountOptions options)
    {
        string text = $"fsname={options.Source},subtype={options.Subtype},nosuid,nodev,noexec";
        text += options.DefaultPermissions ? ",default_permissions" : string.Empty;
        if (options.AllowOther && MayAllowOther())
        {
            return text + ",allow_other";
        }

        if (options.AllowOther)
        {
            log.Information($"The mount is for this user alone: '{configurationPath}' has no line user_allow_other.");
        }

        return text;
    }

    private static bool TryRun(string[] arguments, SafeFileHandle? socket, out string problem)
    {
        var start =
            new ProcessStartInfo(Program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        if (socket is not null)
        {
            start.Environment["_FUSE_COMMFD"] = socket.DangerousGetHandle().ToString(CultureInfo.InvariantCulture);
        }

        try
        {
            using Process process = Process.Start(start)
                ?? throw new UnreachableException("A program started without a shell is a new process.");
            Task<string> said = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(s_timeout))
            {
                process.Kill();
                problem = $"{Program} did not end within {s_timeout.TotalSeconds} s; it was killed.";
                return false;
            }

            problem =
                process.ExitCode == 0 ? string.Empty : $"{Program} failed: {said.GetAwaiter().GetResult().Trim()}";
            return process.ExitCode == 0;
        }
        catch (Win32Exception e)
        {
            problem =
                $"{Program}, which mounts for users who are not root, cannot be started ({e.Message}). Install the "
                    + "package fuse3.";
            return false;
        }
    }
}
