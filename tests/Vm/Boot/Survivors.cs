using System.Globalization;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// In the guest, clients that use the TPM in every way without a pause, 16 unless said otherwise. They check each of
/// their answers: a command that was executed twice, lost, or answered wrongly is an error of theirs
/// (tests/Integration/clients/survivors.py).
/// </summary>
internal sealed class Survivors : IDisposable
{
    private const int AllKinds = 16;

    /// <summary>Of the guest's time, in which a client may wait 60 s for an answer.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    private readonly DebianGuest _machine;
    private readonly int _clients;
    private bool _areDone;

    /// <summary>Starts them, and waits until all of them have opened a node.</summary>
    /// <param name="machine">A guest whose service runs.</param>
    /// <param name="seed">What their choices follow from.</param>
    /// <param name="folder">Where the nodes are.</param>
    /// <param name="kinds">Of which kinds they are, one of each; all unless said otherwise.</param>
    public Survivors(DebianGuest machine, int seed = 1, string folder = "/run/tpmfs", params string[] kinds)
    {
        _machine = machine;
        _clients = kinds.Length == 0 ? AllKinds : kinds.Length;
        machine.Run(
            $$"""
            rm -f /run/clients.*
            {
                status=0
                python3 /repository/tests/Integration/clients/survivors.py {{folder}} /run/clients.end {{seed}} \
                    {{string.Join(' ', kinds)}} >/run/clients.log 2>&1 || status=$?
                echo $status >/run/clients.status
            } </dev/null >/dev/null 2>&1 &
            until [ "$(sed -n 's/^openers //p' /run/tpmfs/stat)" -ge {{_clients}} ]; do
                [ ! -e /run/clients.status ] || { cat /run/clients.log >&2; exit 1; }
                sleep 0.2
            done
            """,
            s_limit).Succeeded();
    }

    /// <summary>Ends them after what they are at, and fails with what went wrong where anything has.</summary>
    /// <returns>How many commands they sent.</returns>
    public int Finish()
    {
        Outcome outcome = End();
        Assert.True(outcome.ExitCode == 0, outcome.Output + outcome.Error);
        string[] lines = outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(_clients, lines.Length);
        return lines.Sum(line => int.Parse(line.Split(' ')[2], CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        if (!_areDone)
        {
            End();
        }
    }

    private Outcome End()
    {
        _areDone = true;
        return _machine.Run(
            """
            touch /run/clients.end
            until [ -s /run/clients.status ]; do sleep 0.2; done
            cat /run/clients.log
            exit $(cat /run/clients.status)
            """,
            s_limit);
    }
}
