using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Doors.DBus;

public sealed class CallerQuestionsTests
{
    private readonly Dictionary<string, TaskCompletionSource<BusCaller?>> _asked = [];
    private readonly CallerQuestions _questions;

    public CallerQuestionsTests() => _questions = new CallerQuestions(name =>
    {
        var answer = new TaskCompletionSource<BusCaller?>();
        _asked.Add(name, answer);
        return answer.Task;
    });

    [Fact]
    public void Calls_of_one_caller_wait_for_one_question()
    {
        Task<BusCaller?> first = _questions.AskAsync(":1.1");
        Assert.Same(first, _questions.AskAsync(":1.1"));
        Assert.NotSame(first, _questions.AskAsync(":1.2"));
        Assert.Equal([":1.1", ":1.2"], _asked.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_answer_is_not_kept()
    {
        _ = _questions.AskAsync(":1.1");
        _asked[":1.1"].SetResult(null);
        _asked.Clear();
        Assert.False(_questions.AskAsync(":1.1").IsCompleted);
        Assert.Single(_asked);
    }
}
