namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// An action of one opener. The numbers pick among the things that exist at that moment, so that a shorter list of
/// actions still means something.
/// </summary>
/// <param name="Opener">Which opener, modulo their count.</param>
/// <param name="Kind">What it does.</param>
/// <param name="What">The object, session or context it does it to: see <see cref="References"/>.</param>
/// <param name="How">Which variant.</param>
internal readonly record struct ModelAction(int Opener, ActionKind Kind, int What, int How);

internal enum ActionKind
{
    GetRandom,
    CreatePrimary,
    Create,
    Load,
    CreateLoaded,
    LoadExternal,
    VendorCopy,
    ReadPublic,
    Sign,
    SignWithSession,
    Audited,
    HashStart,
    HmacStart,
    SequenceUpdate,
    SequenceComplete,
    EventSequenceComplete,
    StartSession,
    Policy,
    PolicyGetDigest,
    SaveObject,
    SaveSession,
    LoadContext,
    FlushObject,
    FlushSession,
    ListHandles,
    ListProperties,
    ReadClock,
    PcrExtend,
    PcrRead,
    EvictControl,
    ChangeHierarchy,
    Malformed,
    Reopen,
    Advance,
    Power,
    Replace,
}
