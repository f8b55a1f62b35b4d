using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace TpmFs.Tpm.Transports;

/// <summary>The addresses at which a swtpm listens.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Data">The data channel's address.</param>
/// <param name="Control">
/// The control channel's: at the socket's path with .ctrl behind it, or at the port after the data channel's.
/// </param>
internal sealed record SwtpmAddress(string Name, EndPoint Data, EndPoint Control)
{
    private const int DefaultPort = 2321;

    /// <summary>sun_path of sockaddr_un, less the NUL.</summary>
    private const int LongestSocketPath = 107;

    /// <summary>Reads path=SOCKET, or host=HOST,port=PORT of which each may be left out.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out SwtpmAddress? address, out string problem)
    {
        address = null;
        if (!TryReadItems(text, out Dictionary<string, string> items, out problem))
        {
            return false;
        }

        bool hasPath = items.TryGetValue("path", out string? path);
        if (hasPath && items.Count > 1)
        {
            problem = "swtpm has either a path or a host and a port, not both";
            return false;
        }

        return hasPath
            ? TryMakeUnix(path!, out address, out problem)
            : TryMakeTcp(
                items.GetValueOrDefault("host", "localhost"), items
                    .GetValueOrDefault("port"), out address, out problem);
    }

    private static bool TryReadItems(string text, out Dictionary<string, string> items, out string problem)
    {
        items = [];
        problem = string.Empty;
        foreach (string item in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = item.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? item : item[..equals];
            string value = equals < 0 ? string.Empty : item[(equals + 1)..];
            problem = key is not ("path" or "host" or "port")
                ? $"swtpm: there is no \"{key}\"; expected swtpm:path=SOCKET or swtpm:host=HOST,port=PORT"
                : value.Length == 0 ? $"swtpm's {key} is empty"
                : !items.TryAdd(key, value) ? $"swtpm's {key} is given twice"
                : string.Empty;
            if (problem.Length > 0)
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryMakeUnix(string path, out SwtpmAddress? address, out string problem)
    {
        string control = path + ".ctrl";
        bool fits = Encoding.UTF8.GetByteCount(control) <= LongestSocketPath;
        address = fits ? new(path, new UnixDomainSocketEndPoint(path), new UnixDomainSocketEndPoint(control)) : null;
        problem = fits
            ? string.Empty
            : $"the path of the socket {control} is too long: a socket's path has at most {LongestSocketPath} bytes";
        return fits;
    }

    private static bool TryMakeTcp(string host, string? port, out SwtpmAddress? address, out string problem)
    {
        ushort number = DefaultPort;
        bool isPort = port is null || (ushort.TryParse(port, out number) && number is not (0 or ushort.MaxValue));
        address = isPort
            ? new($"{host}:{number}", new DnsEndPoint(host, number), new DnsEndPoint(host, number + 1))
            : null;
        problem = isPort
            ? string.Empty
            : $"swtpm's port \"{port}\" is not a number from 1 to 65534 (the control channel is at the next port)";
        return isPort;
    }
}
