using System.Text.Json.Serialization;

namespace TpmFs.State;

/// <summary>
/// The state file: what was changed at run time, by place in the tree. The root's place is the empty name.
/// </summary>
internal sealed record StateDocument
{
    public const int CurrentVersion = 1;

    [JsonRequired]
    public int Version { get; init; } = CurrentVersion;

    /// <summary>Directories made with mkdir.</summary>
    public SortedSet<string> Made { get; init; } = new(StringComparer.Ordinal);

    public SortedDictionary<string, SavedAccess> Access { get; init; } = new(StringComparer.Ordinal);

    public SortedDictionary<string, SavedLimits> Limits { get; init; } = new(StringComparer.Ordinal);
}

/// <summary>
/// Of a state file of any version, what tells which one it is. Only a tpmfs of that version knows what else is in it.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Skip)]
internal sealed record StateVersion
{
    [JsonRequired]
    public int Version { get; init; }
}

/// <summary>Changed access of a node.</summary>
/// <param name="Mode">Octal, such as "0660".</param>
/// <param name="Acl">
/// The ACL as setfacl writes it: "group::rw-" first, then "user:1000:rw-", "group:100:r--"; null where there is none.
/// </param>
/// <param name="Configured">
/// The access that was configured when it was changed; null where that is not known, or where nothing was changed.
/// </param>
internal sealed record SavedAccess(
    string Mode, uint Uid, uint Gid, List<string>? Acl, SavedAccess? Configured = null);

/// <summary>Changed limits of a domain, as their files show them.</summary>
internal sealed record SavedLimits(SortedDictionary<string, string> Values, List<string>? CommandsDeny);

[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = false)]
[JsonSerializable(typeof(StateDocument))]
[JsonSerializable(typeof(StateVersion))]
[JsonSerializable(typeof(SavedAccess))]
[JsonSerializable(typeof(SavedLimits))]
internal sealed partial class StateJson : JsonSerializerContext;
