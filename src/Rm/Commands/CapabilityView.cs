using System.Buffers.Binary;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Shows one space its own TPM2_GetCapability: its transient objects and sessions, and how many more it may have.
/// </summary>
internal sealed class CapabilityView(SessionLedger sessions)
{
    /// <summary>The parameters of GetCapability: capability, property, propertyCount.</summary>
    private const int ParametersSize = 3 * sizeof(uint);

    /// <summary>
    /// MAX_CAP_HANDLES: how many handles fit in MAX_CAP_BUFFER (1024 bytes) beside the list's own fields.
    /// </summary>
    private const int MaxHandles = (1024 - (2 * sizeof(uint))) / sizeof(uint);

    private readonly List<TpmHandle> _handles = [];

    /// <summary>
    /// Answers the requests that only the space can answer: lists of transient objects and sessions. Refuses such a
    /// request with a session attached: the TPM would have to authenticate the response, which would show other
    /// openers' handles.
    /// </summary>
    public bool TryAnswer(
        SpaceRecord space, ReadOnlySpan<byte> bytes, in TpmCommand command, Span<byte> response, out int length)
    {
        length = 0;
        ReadOnlySpan<byte> parameters = bytes[command.ParametersOffset..];
        if (!TryReadParameters(parameters, out TpmCap capability, out TpmHandle first, out uint count)
            || capability != TpmCap.Handles
            || first.Type is not (TpmHt.LoadedSession or TpmHt.SavedSession or TpmHt.Transient))
        {
            return false;
        }

        if (command.HasSessions || parameters.Length > ParametersSize)
        {
            TpmRc problem = command.HasSessions ? TpmRc.CommandCode.FromResourceManager : TpmRc.Size;
            length = TpmResponse.Write(response, problem);
            return true;
        }

        Collect(space, first);
        int listed = (int)Math.Min(Math.Min(count, (uint)_handles.Count), MaxHandles);
        var writer = new TpmWriter(response);
        writer.BeginMessage(TpmSt.NoSessions, TpmRc.Success.Value);
        writer.WriteByte(listed < _handles.Count ? (byte)1 : (byte)0);
        writer.WriteUInt32((uint)TpmCap.Handles);
        writer.WriteUInt32((uint)listed);
        for (int i = 0; i < listed; i++)
        {
            writer.WriteHandle(_handles[i]);
        }

        length = writer.FinishMessage().Length;
        return true;
    }

    /// <summary>
    /// Replaces the properties in the TPM's answer that are the space's own. An authenticated answer stays as it is.
    /// </summary>
    public void Rewrite(SpaceRecord space, in TpmCommand command, Span<byte> response)
    {
        if (command.HasSessions)
        {
            return;
        }

        const int ListOffset = TpmHeader.Length + 1 + (2 * sizeof(uint));
        const int EntrySize = 2 * sizeof(uint);
        var head = new TpmReader(response);
        if (!head.TryReadBytes(TpmHeader.Length + 1, out _)
            || !head.TryReadUInt32(out uint capability)
            || capability != (uint)TpmCap.TpmProperties)
        {
            return;
        }

        for (int offset = ListOffset; offset + EntrySize <= response.Length; offset += EntrySize)
        {
            var property = (TpmPt)BinaryPrimitives.ReadUInt32BigEndian(response[offset..]);
            if (OwnValue(space, property) is { } value)
            {
                BinaryPrimitives.WriteUInt32BigEndian(response[(offset + sizeof(uint))..], value);
            }
        }
    }

    private static bool TryReadParameters(
        ReadOnlySpan<byte> parameters, out TpmCap capability, out TpmHandle first, out uint count)
    {
        var reader = new TpmReader(parameters);
        bool read = reader.TryReadUInt32(out uint value);
        capability = (TpmCap)value;
        read &= reader.TryReadHandle(out first);
        return read & reader.TryReadUInt32(out count);
    }

    /// <summary>
    /// Returns the handles of the requested type from the requested handle on, in the TPM's order. All saved sessions
    /// are listed with type 0x02.
    /// </summary>
    private void Collect(SpaceRecord space, TpmHandle first)
    {
        _handles.Clear();
        switch (first.Type)
        {
            case TpmHt.Transient:
                _handles.AddRange(
                    space.Objects.Where(held => !held.Value.IsLost).Select(held => new TpmHandle(held.Key.Value)));
                break;
            case TpmHt.LoadedSession:
                _handles.AddRange(space.Sessions.Select(held => held.Handle));
                break;
            default:
                _handles.AddRange(
                    sessions.SavedBy(space.Owner)
                        .Select(saved => new TpmHandle(((uint)TpmHt.LoadedSession << 24) | saved.Handle.Index)));
                break;
        }

        _handles.RemoveAll(handle => handle.Index < first.Index);
        _handles.Sort((left, right) => left.Index.CompareTo(right.Index));
    }

    private uint? OwnValue(SpaceRecord space, TpmPt property)
    {
        SpaceLimits limits = space.Owner.Group.Limits;
        int held = space.Sessions.Count;
        return property switch
        {
            TpmPt.ContextGapMax => uint.MaxValue,
            TpmPt.HrLoaded => (uint)held,
            TpmPt.HrActive => (uint)(held + sessions.SavedBy(space.Owner).Count()),
            TpmPt.HrLoadedAvail or TpmPt.HrActiveAvail => (uint)Math.Max(limits.SessionsMax - held, 0),
            TpmPt.HrTransientAvail => (uint)Math.Max(limits.ObjectsMax - space.Objects.Count, 0),
            _ => null,
        };
    }
}
