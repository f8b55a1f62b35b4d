namespace TpmFs.Doors.DBus;

/// <summary>The refusal of a call: an error of D-Bus, and a sentence for a person.</summary>
internal sealed record BusRefusal(string ErrorName, string Sentence)
{
    private const string Prefix = "org.freedesktop.DBus.Error.";

    /// <summary>
    /// Gets the refusal of a caller who has too many calls under way, or who calls while the daemon has too many.
    /// </summary>
    public static BusRefusal TooManyCalls { get; } =
        new(Prefix + "LimitsExceeded", "too many calls are under way; wait for an answer before the next call");

    /// <summary>Gets the refusal of a caller about whom the bus says nothing.</summary>
    public static BusRefusal UnknownCaller { get; } =
        new(Prefix + "AccessDenied", "the bus does not say which user and process the caller is");

    /// <summary>Returns the refusal of a method that the object does not have.</summary>
    public static BusRefusal UnknownMethod(string method) =>
        new(Prefix + "UnknownMethod", $"the object of tpmfs has no method {method}");

    /// <summary>Returns the refusal of arguments that do not fit a method.</summary>
    public static BusRefusal BadArguments(string method, string expected, string given) => new(
        Prefix + "InvalidArgs", $"{method} takes arguments of the signature '{expected}', not '{given}'");

    /// <summary>Returns the refusal of an id that is not the caller's.</summary>
    public static BusRefusal NotYours(ulong id) => new(
        Prefix + "AccessDenied",
        $"connection {id} was not made by this caller, or is closed; a connection belongs to the program that made it, "
            + "for as long as that stays connected to the bus");

    /// <summary>Returns the refusal of a node that cannot be opened.</summary>
    /// <param name="error">The error that open(2) of the node would give.</param>
    /// <param name="node">The node's place in the tree.</param>
    public static BusRefusal Of(Errno error, string node, BusCaller caller) =>
        error == Errno.EACCES ? new BusRefusal(
            Prefix + "AccessDenied",
            $"user {caller.Uid} may not open {node} of tpmfs: its permissions, or those of a directory above it, do "
                + $"not let that user read and write it{(caller.Groups is null ? NoGroups : "")}")
        : error == Errno.ENOENT ? new(
            Prefix + "NotSupported", $"tpmfs has no {node}: its TPM, or the way to it, does not offer it")
        : error == Errno.ENFILE ? new(
            Prefix + "LimitsExceeded",
            $"{node} has as many openers as openers.max allows, or user {caller.Uid} has that user's share of them")
        : error == Errno.ENODEV ? new(Prefix + "Failed", $"{node} is gone, or tpmfs ends")
        : new(Prefix + "Failed", $"{node} cannot be opened: {error.Text()}");

    private const string NoGroups = "; the bus does not say that user's groups";
}
