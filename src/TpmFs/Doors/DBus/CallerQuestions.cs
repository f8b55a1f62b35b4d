namespace TpmFs.Doors.DBus;

/// <summary>
/// Asks who a caller is: once for all calls of that caller which wait for the answer. So a program that makes many
/// calls and leaves costs no more questions than the connections that it made to the bus. Any thread.
/// </summary>
/// <param name="ask">Asks the bus about a unique name.</param>
internal sealed class CallerQuestions(Func<string, Task<BusCaller?>> ask)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Task<BusCaller?>> _asked = [];

    /// <inheritdoc cref="BusCaller.FindAsync"/>
    public Task<BusCaller?> AskAsync(string name)
    {
        lock (_gate)
        {
            if (_asked.TryGetValue(name, out Task<BusCaller?>? asked))
            {
                return asked;
            }

            Task<BusCaller?> answer = ask(name);
            _asked.Add(name, answer);
            _ = answer.ContinueWith(
                _ => Forget(name), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            return answer;
        }
    }

    private void Forget(string name)
    {
        lock (_gate)
        {
            _asked.Remove(name);
        }
    }
}
