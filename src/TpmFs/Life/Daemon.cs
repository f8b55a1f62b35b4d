using Serilog;

namespace TpmFs.Life;
internal static class Daemon { public static int Run(DaemonPlan plan, ILogger log) => plan is null || log is null ? 1 : 0; }
