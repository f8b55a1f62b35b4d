using TpmFs.Clients;
using TpmFs.Rm;
using TpmFs.Tpm;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>A TPM with a resource manager, or a stand-in for both, that moves only when the test says so.</summary>
internal interface ITpmUnderTest : IDisposable
{
    /// <summary>The way to it.</summary>
    TpmPort Port { get; }

    /// <summary>True when it can be opened raw too, by one client at a time.</summary>
    bool HasRaw { get; }

    /// <summary>
    /// Returns what it gave to the clients since this was last asked. Clients are counted as they opened.
    /// </summary>
    IEnumerable<TpmAnswer> TakeAnswers();

    /// <summary>A whole command that it answers. Different numbers give different commands.</summary>
    byte[] CommandOf(int number);

    /// <summary>Says what is wrong with the answer of a command; null when nothing is.</summary>
    string? WhatIsWrong(byte[] command, bool isCancelled, byte[]? response);

    /// <summary>Answers one client, or fails to, where it has a command of that client.</summary>
    void Answer(int client, int what);

    /// <summary>Answers all commands that there are.</summary>
    void AnswerAll();

    /// <summary>Says what is wrong with how a client's handle space was used; null when nothing is.</summary>
    string? WhatIsWrong(int client, bool hasEnded);
}

/// <summary>An answer of the TPM.</summary>
/// <param name="Client">The client's number.</param>
/// <param name="Response">Null where the command failed without one.</param>
/// <param name="At">The time when it came.</param>
internal sealed record TpmAnswer(int Client, byte[]? Response, long At);

/// <summary>Stands between a conversation and its space, and keeps what the space answers.</summary>
internal sealed class AnswerTap(ISpaceClient client, int number, TimeProvider time, List<TpmAnswer> answers)
    : ISpaceClient
{
    public void Completed(ReadOnlySpan<byte> response)
    {
        answers.Add(new TpmAnswer(number, response.ToArray(), time.GetTimestamp()));
        client.Completed(response);
    }

    public void Denied(TpmCc command) => client.Denied(command);

    public void Failed(SpaceFailure failure)
    {
        answers.Add(new TpmAnswer(number, null, time.GetTimestamp()));
        client.Failed(failure);
    }
}
