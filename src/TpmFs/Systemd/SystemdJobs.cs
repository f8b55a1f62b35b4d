using System.ComponentModel;
using System.Diagnostics;

namespace TpmFs.Systemd;

/// <summary>Asks systemd what it is about to do with this process's unit.</summary>
internal static class SystemdJobs
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>
    /// True when systemd stops this process in order to start the unit again: the job that it runs for the unit is a
    /// restart (systemctl list-jobs), not a stop. False where there is no systemd, or it does not answer.
    /// </summary>
    public static bool IsRestarting()
    {
        try
        {
            return UnitOf(ProcFs.ReadText("self/cgroup")) is { } unit
                && HasRestart(Ask(unit.IsUsers ? ["--user", "list-jobs"] : ["list-jobs"]), unit.Name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Finds the unit that a process belongs to (proc(5), /proc/PID/cgroup).</summary>
    /// <returns>Null for a process of no service.</returns>
    internal static (string Name, bool IsUsers)? UnitOf(string cgroups)
    {
        foreach (string line in cgroups.Split('\n'))
        {
            string[] fields = line.Split(':', 3);
            bool isSystemds = fields.Length == 3 && (fields[1].Length == 0 || fields[1] == "name=systemd");
            string name = isSystemds ? fields[2].Split('/')[^1] : "";
            if (name.EndsWith(".service", StringComparison.Ordinal))
            {
                return (name, fields[2].Contains("/user@", StringComparison.Ordinal));
            }
        }

        return null;
    }

    /// <summary>Reads what list-jobs prints: for each job its number, unit, type and state.</summary>
    internal static bool HasRestart(string jobs, string unit) =>
        jobs.Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(job => job.Length >= 4 && job[1] == unit && job[2] is ("restart" or "try-restart"));

    private static string Ask(string[] arguments)
    {
        using Process systemctl = Process.Start(
            new ProcessStartInfo("systemctl", [.. arguments, "--plain", "--no-legend", "--no-pager"])
            {
                RedirectStandardOutput = true,
            })!;
        Task<string> output = systemctl.StandardOutput.ReadToEndAsync();
        if (!systemctl.WaitForExit(s_patience))
        {
            systemctl.Kill();
            return "";
        }

        return output.Result;
    }
}
