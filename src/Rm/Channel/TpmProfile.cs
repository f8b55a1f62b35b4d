using System.Text;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Channel;

/// <summary>
/// Holds what the TPM says of itself: its commands, sizes and limits, read at the start, and the commands that it
/// audits.
/// </summary>
internal sealed class TpmProfile
{
    /// <summary>The most entries that one request asks for. A TPM that cannot give as many gives fewer.</summary>
    private const uint PageSize = 254;

    /// <summary>The most pages that one list may have. A TPM whose list never ends is faulty.</summary>
    private const int MaxPages = 1024;

    private readonly TpmChannel _channel;
    private readonly ProfileRecord _record;
    private readonly Dictionary<TpmCc, TpmaCc> _commands = [];
    private readonly Dictionary<TpmPt, uint> _properties = [];

    /// <summary>The properties. The object is replaced as a whole, and read by any thread.</summary>
    private volatile HashSet<TpmCc>? _audited;

    /// <param name="record">Keeps the properties for the next manager. It has those that the last manager read.</param>
    public TpmProfile(TpmChannel channel, ProfileRecord record)
    {
        (_channel, _record) = (channel, record);
        foreach (uint value in record.State.Commands)
        {
            var attributes = new TpmaCc(value);
            _commands[attributes.Code] = attributes;
        }

        foreach ((uint property, uint value) in record.State.Properties)
        {
            _properties[(TpmPt)property] = value;
        }

        _audited = record.State.Audited is { } audited ? [.. audited.Select(code => (TpmCc)code)] : null;
    }

    /// <summary>The largest command that the TPM takes, which may be less than a client may write.</summary>
    public uint LargestCommand =>
        Math.Min(Property(TpmPt.MaxCommandSize, uint.MaxValue), (uint)_channel.LargestCommand);

    /// <summary>The largest command that a client may write.</summary>
    public int MaxCommandSize => Math.Min(Size(TpmPt.MaxCommandSize), _channel.LargestCommand);

    public int MaxResponseSize => Size(TpmPt.MaxResponseSize);

    public bool TryGetCommand(TpmCc code, out TpmaCc attributes) => _commands.TryGetValue(code, out attributes);

    public uint Property(TpmPt property, uint otherwise) => _properties.GetValueOrDefault(property, otherwise);

    /// <summary>
    /// Returns true when a command may be answered without the TPM. A command that the TPM audits, or may audit, must
    /// reach the TPM, since the audit digest would lack it. Any thread.
    /// </summary>
    public bool MayAnswerFor(TpmCc code) => _audited?.Contains(code) == false;

    /// <summary>
    /// Forgets which commands are audited. No command is answered locally until <see cref="ReadAudited"/>.
    /// </summary>
    public void ForgetAudited()
    {
        _audited = null;
        Keep();
    }

    public bool AuditedIsKnown => _audited is not null;

    /// <summary>
    /// True when everything was read once, by this manager or by the last one.
    /// </summary>
    public bool IsKnown => _commands.Count > 0;

    /// <summary>Reads everything.</summary>
    public TpmStepResult Read()
    {
        TpmStepResult step = ReadCommands();
        step = step == TpmStepResult.Done ? ReadProperties(TpmPt.Fixed) : step;
        step = step == TpmStepResult.Done ? ReadProperties(TpmPt.Variable) : step;
        return step == TpmStepResult.Done ? ReadAudited() : step;
    }

    public TpmStepResult ReadAudited()
    {
        var audited = new HashSet<TpmCc>();
        TpmStepResult step = ReadPages(TpmCap.AuditCommands, 0, (ref TpmReader page, out uint next) =>
        {
            bool read = page.TryReadUInt32(out uint code);
            audited.Add((TpmCc)code);
            next = code + 1;
            return read;
        });
        _audited = step == TpmStepResult.Done ? audited : null;
        Keep();
        return step;
    }

    /// <summary>
    /// Reads the handles of one type that the TPM holds (TPM_CAP_HANDLES), from the type's first handle on.
    /// </summary>
    public TpmStepResult ReadHandles(TpmHt type, ICollection<TpmHandle> handles) =>
        ReadPages(TpmCap.Handles, (uint)type << 24, (ref TpmReader page, out uint next) =>
        {
            bool read = page.TryReadHandle(out TpmHandle handle);
            handles.Add(handle);
            next = ((uint)type << 24) | (handle.Index + 1);
            return read;
        });

    /// <summary>Returns the TPM's description of itself.</summary>
    public TpmDescription Describe()
    {
        uint first = Property(TpmPt.FirmwareVersion1, 0);
        uint second = Property(TpmPt.FirmwareVersion2, 0);
        return new TpmDescription(
            Text(TpmPt.Manufacturer),
            Text(TpmPt.VendorString1, TpmPt.VendorString2, TpmPt.VendorString3, TpmPt.VendorString4),
            $"{first >> 16}.{first & 0xFFFF}.{second >> 16}.{second & 0xFFFF}",
            Property(TpmPt.Revision, 0));
    }

    private void Keep() => _record.Learn(new ProfileState(
        [.. _commands.Values.Select(attributes => attributes.Value)],
        [.. _properties.Select(property => ((uint)property.Key, property.Value))],
        _audited is null ? null : [.. _audited.Select(code => (uint)code)]));

    private TpmStepResult ReadCommands() => ReadPages(TpmCap.Commands, 0, (ref TpmReader page, out uint next) =>
    {
        bool read = page.TryReadUInt32(out uint value);
        var attributes = new TpmaCc(value);
        _commands[attributes.Code] = attributes;
        next = (uint)attributes.Code + 1;
        return read;
    });

    private TpmStepResult ReadProperties(TpmPt first) =>
        ReadPages(TpmCap.TpmProperties, (uint)first, (ref TpmReader page, out uint next) =>
    {
        bool read = page.TryReadUInt32(out uint property) & page.TryReadUInt32(out uint value);
        _properties[(TpmPt)property] = value;
        next = property + 1;
        return read;
    });

    private delegate bool ReadEntry(ref TpmReader page, out uint next);

    private TpmStepResult ReadPages(TpmCap capability, uint first, ReadEntry readEntry)
    {
        for (int pages = 0; pages < MaxPages; pages++)
        {
            TpmStepResult step = _channel.GetCapability(capability, first, PageSize, out ReadOnlySpan<byte> data)
                .AsStep();
            if (step != TpmStepResult.Done)
            {
                return step;
            }

            var page = new TpmReader(data);
            if (!page.TryReadByte(out byte moreData) || !page.TryReadUInt32(out _)
                || !page.TryReadUInt32(out uint count))
            {
                return TpmStepResult.Inconsistent;
            }

            for (uint i = 0; i < count; i++)
            {
                if (!readEntry(ref page, out uint next))
                {
                    return TpmStepResult.Inconsistent;
                }

                first = next;
            }

            if (moreData == 0 || count == 0)
            {
                return TpmStepResult.Done;
            }
        }

        return TpmStepResult.Inconsistent;
    }

    /// <summary>
    /// Returns the printable characters of properties that hold four bytes each. The TPM's bytes need not be text.
    /// </summary>
    private string Text(params ReadOnlySpan<TpmPt> properties)
    {
        var text = new StringBuilder();
        foreach (TpmPt property in properties)
        {
            uint characters = Property(property, 0);
            for (int shift = 24; shift >= 0; shift -= 8)
            {
                char character = (char)((characters >> shift) & 0xFF);
                text.Append(character is >= ' ' and <= '~' ? character : ' ');
            }
        }

        return text.ToString().Trim();
    }

    private int Size(TpmPt property) =>
        (int)Math.Clamp(Property(property, TpmFacts.SmallestBuffer), TpmFacts.SmallestBuffer, 64 * 1024);
}
