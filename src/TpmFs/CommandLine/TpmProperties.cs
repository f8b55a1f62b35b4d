using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.CommandLine;

/// <summary>The properties of a TPM that change (TPM_PT_VAR), as the TPM answers a client.</summary>
internal sealed class TpmProperties
{
    private const int MaxResponse = 4096;

    /// <summary>TPMA_PERMANENT.inLockout (TPM 2.0 Part 2, 8.6).</summary>
    private const uint InLockout = 1 << 9;

    /// <summary>The time that a TPM may take that has other commands to carry out first.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Of TPMA_STARTUP_CLEAR (TPM 2.0 Part 2, 8.7). The platform's hierarchy is the firmware's, which may well have
    /// switched it off.
    /// </summary>
    private static readonly (uint Bit, string Name)[] s_hierarchies = [(1 << 1, "owner"), (1 << 2, "endorsement")];

    private readonly Dictionary<TpmPt, uint> _values;

    private TpmProperties(Dictionary<TpmPt, uint> values) => _values = values;

    public bool IsLockedOut => (this[TpmPt.Permanent] & InLockout) != 0;

    /// <summary>The hierarchies that clients use and that are switched off, for a sentence.</summary>
    public string DisabledHierarchies => !_values.TryGetValue(TpmPt.StartupClear, out uint enabled) ? ""
        : string.Join(
            " and the ", s_hierarchies.Where(hierarchy => (enabled & hierarchy.Bit) == 0).Select(off => off.Name));

    /// <summary>A property's value; 0 where the TPM has it not.</summary>
    public uint this[TpmPt property] => _values.GetValueOrDefault(property);

    /// <summary>Opens a node and closes it.</summary>
    public static Errno TryOpen(string node)
    {
        Errno error = Open(node, out SafeFileHandle file);
        file.Dispose();
        return error;
    }

    /// <summary>Asks the TPM behind a node.</summary>
    public static bool TryRead(string node, [NotNullWhen(true)] out TpmProperties? properties, out string problem)
    {
        // The thread is of the pool, which does not keep the process from ending.
        Task<(TpmProperties?, string)> asked = Task.Run(() => Ask(node));
        (properties, problem) = asked.Wait(s_patience)
            ? asked.Result : (null, $"no response came within {s_patience.TotalSeconds:0} s");
        return properties is not null;
    }

    /// <summary>Reads a response to <see cref="Command"/>.</summary>
    internal static bool TryParse(
        ReadOnlySpan<byte> response, [NotNullWhen(true)] out TpmProperties? properties, out string problem)
    {
        properties = null;
        problem = "its response is malformed";
        if (!TpmHeader.TryRead(response, out TpmHeader header))
        {
            return false;
        }

        if (header.ResponseCode != TpmRc.Success)
        {
            problem = $"its response code is 0x{header.Code:X}";
            return false;
        }

        var values = new Dictionary<TpmPt, uint>();
        var reader = new TpmReader(response[TpmHeader.Length..]);
        if (!reader.TryReadByte(out _) || !reader.TryReadUInt32(out uint capability)
            || capability != (uint)TpmCap.TpmProperties || !reader.TryReadUInt32(out uint count))
        {
            return false;
        }

        for (uint i = 0; i < count; i++)
        {
            if (!reader.TryReadUInt32(out uint property) || !reader.TryReadUInt32(out uint value))
            {
                return false;
            }

            values[(TpmPt)property] = value;
        }

        (properties, problem) = (new TpmProperties(values), "");
        return true;
    }

    /// <summary>GetCapability of all properties that change, up to the last that is of interest.</summary>
    private static byte[] Command()
    {
        var writer = new TpmWriter(new byte[TpmHeader.Length + (3 * sizeof(uint))]);
        writer.BeginMessage(TpmSt.NoSessions, (uint)TpmCc.GetCapability);
        writer.WriteUInt32((uint)TpmCap.TpmProperties);
        writer.WriteUInt32((uint)TpmPt.Variable);
        writer.WriteUInt32((uint)TpmPt.LockoutRecovery - (uint)TpmPt.Variable + 1);
        return writer.FinishMessage().ToArray();
    }

    private static (TpmProperties?, string) Ask(string node)
    {
        Errno error = Open(node, out SafeFileHandle file);
        using (file)
        {
            byte[] response = new byte[MaxResponse];
            int length = 0;
            error = error.IsError ? error : FileCalls.Write(file, Command());
            error = error.IsError ? error : FileCalls.Read(file, response, out length);
            return error.IsError ? (null, error.Text())
                : TryParse(response.AsSpan(0, length), out TpmProperties? properties, out string problem)
                    ? (properties, "") : (null, problem);
        }
    }

    private static Errno Open(string node, out SafeFileHandle file) =>
        FileCalls.Open(node, OpenOptions.ReadWrite, 0, out file);
}
