using Serilog;
using TpmFs.Fuse;

namespace TpmFs.Openers;

/// <summary>What all openers of the daemon share.</summary>
internal sealed record OpenerContext(
    TimeProvider Time, UnreadAnswers Unread, AnswerPool Answers, IFuseNotifier Notifier, ILogger Log);
