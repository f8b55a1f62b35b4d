using System.Runtime.InteropServices;
using Serilog;
using TpmFs.Logs;
using TpmFs.Systemd;

namespace TpmFs.HandOver;

/// <summary>
/// The descriptors that the next daemon gets: the connection to the kernel, the mirrors, the ways to the TPMs. The
/// service manager has a duplicate of each, for the case that this process is killed. Any thread.
/// </summary>
/// <param name="service">The service manager.</param>
/// <param name="log">Learns of a descriptor that the service manager does not get.</param>
internal sealed class KeptDescriptors(ServiceManager service, ILogger log)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, SafeHandle> _kept = new(StringComparer.Ordinal);

    /// <summary>Keeps a descriptor, which stays its owner's, in the place of one that has this name already.</summary>
    public void Keep(string name, SafeHandle descriptor)
    {
        lock (_gate)
        {
            _kept[name] = descriptor;
            Errno error = service.Store(name, descriptor);
            if (error.IsError)
            {
                log.Of(EventType.NotTakenOver).Warning(
                    "openers end if this daemon is killed, because the service manager does not get the descriptor "
                        + "{Name} ({Error})",
                    name, error.Text());
            }
        }
    }

    /// <summary>
    /// Goes on keeping a descriptor that this daemon has from the one before. The service manager has it already, and
    /// is not told: it would have none for a moment, in which this daemon may be killed.
    /// </summary>
    public void KeepOn(string name, SafeHandle descriptor)
    {
        lock (_gate)
        {
            _kept[name] = descriptor;
        }
    }

    /// <summary>Keeps these, and no others whose names begin with the prefix.</summary>
    public void KeepOnly(string prefix, IEnumerable<(string Name, SafeHandle Descriptor)> descriptors)
    {
        lock (_gate)
        {
            Dictionary<string, SafeHandle> wanted =
                descriptors.ToDictionary(wanted => prefix + wanted.Name, wanted => wanted.Descriptor);
            string[] gone =
            [
                .. _kept.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)
                    && !wanted.ContainsKey(name)),
            ];
            Array.ForEach(gone, Drop);
            foreach ((string name, SafeHandle descriptor) in wanted)
            {
                if (!ReferenceEquals(_kept.GetValueOrDefault(name), descriptor))
                {
                    Keep(name, descriptor);
                }
            }
        }
    }

    /// <summary>Keeps a descriptor no more.</summary>
    public void Drop(string name)
    {
        lock (_gate)
        {
            if (_kept.Remove(name))
            {
                service.Forget(name);
            }
        }
    }

    /// <summary>Has the service manager close its duplicates of these, except those that are kept.</summary>
    public void ForgetOthers(IEnumerable<string> names)
    {
        lock (_gate)
        {
            foreach (string name in names.Where(name => !_kept.ContainsKey(name)))
            {
                service.Forget(name);
            }
        }
    }

    /// <summary>Keeps nothing any more: the daemon ends for good.</summary>
    public void DropAll()
    {
        lock (_gate)
        {
            foreach (string name in _kept.Keys.ToArray())
            {
                Drop(name);
            }
        }
    }

    /// <summary>
    /// Lets a program that is executed next have the descriptors, or not.
    /// </summary>
    /// <returns>The value of <see cref="InheritedDescriptors.Variable"/> for the program.</returns>
    public string SetInheritable(bool inheritable)
    {
        lock (_gate)
        {
            foreach (SafeHandle descriptor in _kept.Values)
            {
                _ = FileCalls.SetInheritable(descriptor, inheritable);
            }

            return string.Join(':', _kept.Select(kept => $"{kept.Key}={kept.Value.DangerousGetHandle()}"));
        }
    }
}
