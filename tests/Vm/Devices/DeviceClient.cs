using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Devices;

/// <summary>
/// A program that uses a device as programs on go-tpm do (client.c). It is compiled at its first use.
/// </summary>
internal static class DeviceClient
{
    /// <summary>Its path, here and in a guest whose root is this machine's.</summary>
    public static string Program { get; } = Compile();

    /// <summary>Compiles it without shared libraries, since a guest may have a Debian of its own.</summary>
    private static string Compile()
    {
        string program = Path.Combine(Guest.Scripts, "obj", "device-client");
        string source = Path.Combine(Guest.Scripts, "Devices", "client.c");
        using var compiler = new ChildProcess(
            ["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
        compiler.Wait().Succeeded();
        return program;
    }
}
