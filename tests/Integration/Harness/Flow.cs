namespace TpmFs.Integration.Tests.Harness;

/// <summary>A script of the folder flows, and the environments that tell its clients where their TPM is.</summary>
internal static class Flow
{
    private static int _runs;

    public static Dictionary<string, string> BareTpm(SoftwareTpm tpm) => new()
    {
        ["TPM2TOOLS_TCTI"] = tpm.Tcti,
        ["TPM_INTERFACE_TYPE"] = "socsim",
        ["TPM_SERVER_TYPE"] = "raw",
        ["TPM_COMMAND_PORT"] = $"{tpm.Port}",
    };

    public static Dictionary<string, string> Node(string path) => new()
    {
        ["TPM2TOOLS_TCTI"] = $"device:{path}",
        ["TPM_INTERFACE_TYPE"] = "dev",
        ["TPM_DEVICE"] = path,
    };

    /// <summary>Runs it in an empty folder and returns what it printed on standard output.</summary>
    public static string Run(Sandbox sandbox, User user, string flow, Dictionary<string, string> environment)
    {
        string folder = sandbox.MakeFolder($"flow-{Interlocked.Increment(ref _runs)}");
        string flows = Path.Combine(sandbox.Scripts, "flows");
        environment["FLOWS"] = flows;
        environment["HOME"] = folder;
        string interpreter = flow.EndsWith(".py", StringComparison.Ordinal) ? "/usr/bin/python3" : "sh";
        using ChildProcess process = sandbox.Start(user, [interpreter, Path.Combine(flows, flow)], environment, folder);
        process.Input.Close();
        return process.Wait().Succeeded().Output;
    }
}
