using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Records the effects of a command that the last manager had sent, and whose response it had not recorded. Recording
/// them twice does no harm: the last manager may have recorded them just before its end. Used by the manager's thread
/// alone.
/// </summary>
internal sealed class UnrecordedCommand(TpmLedger ledger)
{
    /// <summary>Records the effects of one of the last manager's own commands.</summary>
    public void RecordOwn(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> response)
    {
        if (!TpmHeader.TryRead(bytes, out TpmHeader command)
            || !TpmHeader.TryRead(response, out TpmHeader answer)
            || !answer.ResponseCode.IsSuccess)
        {
            return;
        }

        var parameters = new TpmReader(bytes[TpmHeader.Length..]);
        switch (command.CommandCode)
        {
            case TpmCc.ContextSave when parameters.TryReadHandle(out TpmHandle saved):
                Saved(saved, response[TpmHeader.Length..]);
                break;
            case TpmCc.ContextLoad when TpmResponse.TryReadHandle(response, out TpmHandle loaded):
                Loaded(loaded);
                break;
            case TpmCc.FlushContext when parameters.TryReadHandle(out TpmHandle flushed):
                ledger.Objects.Vacate(flushed);
                ledger.Sessions.Vacate(flushed);
                break;
        }
    }

    /// <summary>
    /// Dooms the objects and sessions that a client's command has made, when its response cannot be recorded: its space
    /// is gone, or may not use the command any more.
    /// </summary>
    public void DoomMade(ReadOnlySpan<byte> response, bool hasHandle, SpaceOwner owner)
    {
        if (!hasHandle || !TpmHeader.TryRead(response, out TpmHeader answer) || !answer.ResponseCode.IsSuccess
            || !TpmResponse.TryReadHandle(response, out TpmHandle made))
        {
            return;
        }

        if (made.IsTransient && !ledger.Objects.Holds(made))
        {
            ledger.Objects.Doom(made);
        }
        else if (made.IsSession && !ledger.Sessions.Holds(made))
        {
            ledger.Sessions.Doom(made, owner);
        }
    }

    private void Saved(TpmHandle handle, ReadOnlySpan<byte> context)
    {
        if (ledger.Sessions.TryFind(handle, out Session session))
        {
            if (session.IsLoaded)
            {
                ledger.Sessions.Save(session, context);
            }
        }
        else if (ledger.Objects.Residents.FirstOrDefault(held => held.Resident == handle) is { } resident)
        {
            resident.KeepContext(context);
        }
    }

    /// <summary>Records that a session is loaded. An object whose handle nobody recorded is flushed.</summary>
    private void Loaded(TpmHandle handle)
    {
        if (ledger.Sessions.TryFind(handle, out Session session))
        {
            if (!session.IsLoaded)
            {
                ledger.Sessions.Load(session);
            }
        }
        else if (handle.IsTransient && !ledger.Objects.Holds(handle))
        {
            ledger.Objects.Doom(handle);
        }
    }
}
