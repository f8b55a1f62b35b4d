using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests;

/// <summary>
/// Owns an embedded TPM until it is killed: tells the TPM's process id on a line, and waits. For each line that it
/// reads it sends the TPM a command, gives up on the response, and prints a line.
/// </summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        using var transport = new EmbeddedTransport(arguments[0]);
        if (!transport.TryConnect(TimeSpan.FromSeconds(20), out string problem))
        {
            Console.WriteLine(problem);
            return 1;
        }

        Console.WriteLine(transport.ServerProcess);
        while (Console.ReadLine() is not null)
        {
            TransmitResult result =
                transport.Transmit(TpmClient.GetRandom8, 0, new byte[4096], TimeSpan.FromMilliseconds(300));
            Console.WriteLine(result.Status);
        }

        return 0;
    }
}
