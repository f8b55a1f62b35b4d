namespace TpmFs.Fuse;

/// <summary>
/// Where this library says what a person should know. Any thread. Nothing of a file's content is ever in a message.
/// </summary>
public interface IFuseLog
{
    void Information(string message);

    void Warning(string message);

    void Error(string message, Exception? exception);
}
