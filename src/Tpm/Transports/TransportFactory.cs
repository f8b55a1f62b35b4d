using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;

namespace TpmFs.Tpm.Transports;

/// <summary>Makes the transport that a specification names. The specifications follow the TCTI strings that users know.</summary>
[SupportedOSPlatform("linux")]
public static class TransportFactory
{
    /// <summary>What can be specified, for help texts.</summary>
    public const string Supported = "device:PATH, embedded[:DIR], swtpm:path=SOCKET, swtpm:host=HOST,port=PORT, tcti:CONF";

    private const int DefaultPort = 2321;

    /// <summary>sun_path of sockaddr_un, less the NUL.</summary>
    private const int LongestSocketPath = 107;

    /// <summary>
    /// <list type="bullet">
    /// <item>device:PATH: a TPM of the kernel, such as /dev/tpm0.</item>
    /// <item>embedded: a swtpm of our own with its state in <see cref="TransportEnvironment.StateDirectory"/>/swtpm, or swtpm1, swtpm2 for the second and third TPM; embedded:DIR: in DIR.</item>
    /// <item>tcti:CONF: what libtss2-tctildr makes of CONF, such as mssim:host=localhost,port=2321.</item>
    /// <item>swtpm:path=SOCKET: data at SOCKET, control at SOCKET.ctrl.</item>
    /// <item>swtpm:host=HOST,port=PORT: data at PORT, control at the port after it; localhost and 2321 where one is left out.</item>
    /// </list>
    /// Nothing is opened or started before <see cref="ITpmTransport.TryConnect"/>.
    /// </summary>
    /// <param name="problem">What is wrong with <paramref name="spec"/> and what was expected, for a person; empty on success.</param>
    public static bool TryCreate(
        string spec, TransportEnvironment environment, [NotNullWhen(true)] out ITpmTransport? transport, out string problem)
    {
        int colon = spec.IndexOf(':', StringComparison.Ordinal);
        string kind = colon < 0 ? spec : spec[..colon];
        string rest = colon < 0 ? string.Empty : spec[(colon + 1)..];
        transport = null;
        switch (kind)
        {
            case "embedded":
                problem = string.Empty;
                transport = new EmbeddedTransport(rest.Length != 0 ? rest : OwnStateDirectory(environment));
                return true;
            case "swtpm":
                return TryCreateSwtpm(rest, out transport, out problem);
            case "device":
                return TryCreateDevice(rest, environment.OwnTree, out transport, out problem);
            case "tcti":
                return TryCreateTcti(rest, environment.OwnTree, out transport, out problem);
            default:
                problem = $"the TPM \"{spec}\" is none that can be specified; expected {Supported}";
                return false;
        }
    }

    private static string OwnStateDirectory(TransportEnvironment environment) => Path.Combine(
        environment.StateDirectory, environment.Number == 0 ? "swtpm" : string.Create(CultureInfo.InvariantCulture, $"swtpm{environment.Number}"));

    private static bool TryCreateDevice(string path, string? ownTree, [NotNullWhen(true)] out ITpmTransport? transport, out string problem)
    {
        bool isDevice = MayBeDevice(path, ownTree, out problem);
        transport = isDevice ? new DeviceTransport(Path.GetFullPath(path)) : null;
        return isDevice;
    }

    private static bool TryCreateTcti(string configuration, string? ownTree, [NotNullWhen(true)] out ITpmTransport? transport, out string problem)
    {
        const string Device = "device:";
        transport = null;
        if (configuration.Length == 0)
        {
            return Fail("tcti needs the configuration of a TCTI as TSS programs take it, such as tcti:mssim:host=localhost,port=2321", out problem);
        }

        // Without a path it would be /dev/tpmrm0 or whatever else that TCTI prefers.
        problem = string.Empty;
        if ((configuration == Device[..^1] || configuration.StartsWith(Device, StringComparison.Ordinal))
            && !MayBeDevice(configuration[Math.Min(Device.Length, configuration.Length)..], ownTree, out problem))
        {
            return false;
        }

        transport = new TctiTransport(configuration);
        return true;
    }

    private static bool MayBeDevice(string path, string? ownTree, out string problem)
    {
        if (!Path.IsPathRooted(path))
        {
            return Fail($"device needs the path of a TPM's device from the root on, such as device:/dev/tpm0, and not \"{path}\"", out problem);
        }

        if (DeviceNode.IsResourceManager(path))
        {
            return Fail(DeviceNode.NotResourceManager(path), out problem);
        }

        if (ownTree is not null && Path.GetFullPath(path).StartsWith(ownTree.TrimEnd('/') + "/", StringComparison.Ordinal))
        {
            return Fail($"{path} is a node of the tree that is to be served, which cannot be its own TPM", out problem);
        }

        problem = string.Empty;
        return true;
    }

    private static bool TryCreateSwtpm(string configuration, [NotNullWhen(true)] out ITpmTransport? transport, out string problem)
    {
        transport = null;
        string? path = null, host = null, port = null;
        foreach (string item in configuration.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = item.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? item : item[..equals];
            string value = equals < 0 ? string.Empty : item[(equals + 1)..];
            ref string? target = ref path;
            switch (key)
            {
                case "path":
                    break;
                case "host":
                    target = ref host;
                    break;
                case "port":
                    target = ref port;
                    break;
                default:
                    problem = $"swtpm has no \"{key}\"; expected swtpm:path=SOCKET or swtpm:host=HOST,port=PORT";
                    return false;
            }

            if (value.Length == 0 || target is not null)
            {
                problem = value.Length == 0 ? $"swtpm's {key} is empty" : $"swtpm's {key} is given twice";
                return false;
            }

            target = value;
        }

        if (path is not null)
        {
            return host is null && port is null
                ? TryCreateUnix(path, out transport, out problem)
                : Fail("swtpm has either a path or a host and a port, not both", out problem);
        }

        return TryCreateTcp(host ?? "localhost", port, out transport, out problem);
    }

    private static bool TryCreateUnix(string path, [NotNullWhen(true)] out ITpmTransport? transport, out string problem)
    {
        transport = null;
        string control = path + ".ctrl";
        if (Encoding.UTF8.GetByteCount(control) > LongestSocketPath)
        {
            return Fail($"the path of the socket {control} is longer than the {LongestSocketPath} bytes that a socket's may have", out problem);
        }

        problem = string.Empty;
        transport = new SwtpmTransport(path, new UnixDomainSocketEndPoint(path), new UnixDomainSocketEndPoint(control));
        return true;
    }

    private static bool TryCreateTcp(string host, string? port, [NotNullWhen(true)] out ITpmTransport? transport, out string problem)
    {
        transport = null;
        ushort number = DefaultPort;
        if (port is not null && (!ushort.TryParse(port, out number) || number is 0 or ushort.MaxValue))
        {
            return Fail($"swtpm's port \"{port}\" is no number from 1 to 65534 (control is at the port after it)", out problem);
        }

        problem = string.Empty;
        transport = new SwtpmTransport($"{host}:{number}", new DnsEndPoint(host, number), new DnsEndPoint(host, number + 1));
        return true;
    }

    private static bool Fail(string reason, out string problem)
    {
        problem = reason;
        return false;
    }
}
