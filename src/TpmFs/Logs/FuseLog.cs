using Serilog;
using TpmFs.Fuse;

namespace TpmFs.Logs;

/// <summary>Logs the events of the FUSE room.</summary>
internal sealed class FuseLog(ILogger log) : IFuseLog
{
    public void Information(string message) => log.Information("{Message}", message);

    public void Warning(string message) => log.Warning("{Message}", message);

    public void Error(string message, Exception? exception) => log.Error(exception, "{Message}", message);
}
