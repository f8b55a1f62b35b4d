using System.Diagnostics;
using System.Globalization;

namespace TpmFs.Fuse.Tests.Mount;

/// <summary>
/// A mount namespace of its own, with a directory of its own, for as long as it is not disposed of. Everything that
/// touches a mount runs in it as a child process: a process that touches its own mount can deadlock.
/// </summary>
internal sealed class MountNamespace : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly Process _holder;

    public MountNamespace()
    {
        Assert.True(Environment.IsPrivilegedProcess, "the tests of real mounts need root");
        Assert.True(File.Exists("/dev/fuse"), "the tests of real mounts need /dev/fuse (modprobe fuse)");
        Folder = Directory.CreateTempSubdirectory("fuse-tests-").FullName;
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        Directory.CreateDirectory(MountPoint);

        // The holder ends when its input ends, hence with the tests, however they end.
        var start = new ProcessStartInfo("unshare", ["-m", "--propagation", "private", "sh", "-c", "echo up; exec cat"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        _holder = Process.Start(start)!;
        Assert.Equal("up", _holder.StandardOutput.ReadLine());
    }

    public string Folder { get; }

    public string MountPoint => Path.Combine(Folder, "mnt");

    public string LockFile => Path.Combine(Folder, "lock");

    /// <summary>
    /// Returns the view that the server and a client of it have of the mount table, as mountinfo's lines that hold this
    /// namespace's folder.
    /// </summary>
    public string[] Mounts => Run("cat", "/proc/self/mountinfo").Output.Split('\n')
        .Where(line => line.Contains(Folder, StringComparison.Ordinal)).ToArray();

    /// <summary>Gets the command that starts a program inside.</summary>
    public ProcessStartInfo Inside(params string[] command) =>
        new("nsenter", ["-t", _holder.Id.ToString(CultureInfo.InvariantCulture), "-m", "--", .. command])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

    /// <summary>Runs a program to its end.</summary>
    public (int Code, string Output, string Errors) Run(params string[] command)
    {
        using Process process = Process.Start(Inside(command))!;
        process.StandardInput.Close();
        return Wait(process, string.Join(' ', command));
    }

    /// <summary>Runs a program that must succeed, and gives what it wrote.</summary>
    public string Succeed(params string[] command)
    {
        (int code, string? output, string? errors) = Run(command);
        Assert.True(code == 0, $"{string.Join(' ', command)} ended with {code}: {output} {errors}");
        return output;
    }

    /// <summary>Runs a Python program, with the mount point as its working directory, that must succeed.</summary>
    public string Python(
        string program) => Succeed(
            "python3", "-c", $"import os, sys, errno, select, signal, fcntl\nos.chdir({Quote(MountPoint)})\n{program}");

    /// <summary>Starts a Python program likewise; its output is read as it comes.</summary>
    public Process StartPython(string program) =>
        Process.Start(
            Inside(
                "python3", "-u", "-c",
                $"import os, sys, errno, select, signal, fcntl\nos.chdir({Quote(MountPoint)})\n{program}"))!;

    public static (int Code, string Output, string Errors) Wait(Process process, string what)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_deadline))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{what} did not end");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), errors.GetAwaiter().GetResult());
    }

    /// <summary>The namespace ends, and with it every mount in it.</summary>
    public void Dispose()
    {
        _holder.StandardInput.Close();
        if (!_holder.WaitForExit(s_deadline))
        {
            _holder.Kill();
        }

        _holder.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static string Quote(
        string text) => "'"
            + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)
                .Replace("\n", "\\n", StringComparison.Ordinal) + "'";
}
