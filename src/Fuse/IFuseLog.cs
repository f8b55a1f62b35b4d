namespace TpmFs.Fuse;

/// <summary>Takes this library's messages to people. Any thread. No message contains bytes of a file.</summary>
public interface IFuseLog
{
    void Information(string message);

    void Warning(string message);

    void Error(string message, Exception? exception);
}
