namespace TpmFs.Integration.Tests.Harness;

/// <summary>A script of the folder flows, and the environments that tell its clients where their TPM is.</summary>
public static class Flow
{
    private static int s_runs;

    /// <summary>All that use tools which know the device TCTI.</summary>
    public static TheoryData<string> All { get; } =
    [
        "getrandom.sh", "getcap.sh", "keys.sh", "seal.sh", "hmac-session.sh", "quote.sh",
        "credential.sh", "nv.sh", "pcr.sh", "sequence.sh", "persistent.sh", "duplicate.sh",
        "import.sh", "certify.sh", "flushcontext.sh", "pytss.py", "openssl.sh",
    ];

    internal static Dictionary<string, string> BareTpm(SoftwareTpm tpm) => new()
    {
        ["TPM2TOOLS_TCTI"] = tpm.Tcti,
        ["TPM_INTERFACE_TYPE"] = "socsim",
        ["TPM_SERVER_TYPE"] = "raw",
        ["TPM_COMMAND_PORT"] = $"{tpm.Port}",
    };

    internal static Dictionary<string, string> Node(string path) => new()
    {
        ["TPM2TOOLS_TCTI"] = $"device:{path}",
        ["TPM_INTERFACE_TYPE"] = "dev",
        ["TPM_DEVICE"] = path,
    };

    /// <summary>Runs it in an empty folder and returns what it printed on standard output.</summary>
    internal static string Run(Sandbox sandbox, User user, string flow, Dictionary<string, string> environment)
    {
        string folder = sandbox.MakeFolder($"flow-{Interlocked.Increment(ref s_runs)}");
        string flows = Path.Combine(sandbox.Scripts, "flows");
        environment["FLOWS"] = flows;
        environment["HOME"] = folder;
        string interpreter = flow.EndsWith(".py", StringComparison.Ordinal) ? "/usr/bin/python3" : "sh";
        using ChildProcess process = sandbox.Start(user, [interpreter, Path.Combine(flows, flow)], environment, folder);
        process.Input.Close();
        return process.Wait().Succeeded().Output;
    }
}
