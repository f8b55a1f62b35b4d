using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests;

/// <summary>Owns an embedded TPM until it is killed: tells the TPM's process id on a line, and waits.</summary>
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

        Console.WriteLine(transport.ProcessId);
        Console.ReadLine();
        return 0;
    }
}
