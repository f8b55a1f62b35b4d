using System.Text.Json;
using System.Text.Json.Serialization;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Records;
using TpmFs.State;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>
/// Writes down the domains that the configuration gave last, so that the next daemon has them at once, and does not
/// wait until the system has looked up the names of users.
/// </summary>
internal sealed class PlanRecord
{
    private readonly RecordStore? _store;
    private RecordPlace _place;

    /// <param name="store">Null where no daemon is to go on.</param>
    public PlanRecord(RecordStore? store)
    {
        _store = store;
        foreach (StoredRecord record in store.Of(RecordKind.Plans))
        {
            _place = record.Place;
        }
    }

    /// <summary>Reads the domains that an earlier daemon wrote; nothing where there are none.</summary>
    public ResolvedPlans Read()
    {
        try
        {
            SavedPlans? saved = _place.IsNowhere
                ? null : JsonSerializer.Deserialize(_store!.Read(_place), PlanJson.Default.SavedPlans);
            return saved is null ? ResolvedPlans.None : new ResolvedPlans(PlansOf(saved.Users), PlansOf(saved.Domains));
        }
        catch (JsonException)
        {
            return ResolvedPlans.None;
        }
    }

    /// <summary>Writes the domains down.</summary>
    public void Write(ResolvedPlans plans)
    {
        if (_store is not null)
        {
            var saved = new SavedPlans(Of(plans.Users), Of(plans.Domains));
            byte[] text = JsonSerializer.SerializeToUtf8Bytes(saved, PlanJson.Default.SavedPlans);
            _store.PutNow(ref _place, (byte)RecordKind.Plans, id: 0, text);
        }
    }

    private static Dictionary<string, SavedPlan> Of(IReadOnlyDictionary<string, DomainPlan> plans) =>
        plans.ToDictionary(entry => entry.Key, entry => new SavedPlan(
            Saved.Of(entry.Value.Directory), Saved.Of(entry.Value.Managed), Saved.Of(entry.Value.Limits)));

    private static Dictionary<string, DomainPlan> PlansOf(Dictionary<string, SavedPlan> saved)
    {
        Dictionary<string, DomainPlan> plans = [];
        foreach ((string name, SavedPlan plan) in saved)
        {
            if (Saved.TryRead(plan.Directory, out Access directory) && Saved.TryRead(plan.Managed, out Access managed)
                && Saved.TryRead(plan.Limits, out Limits limits))
            {
                plans[name] = new DomainPlan(directory, managed, limits.Over(Limits.OfOthers));
            }
        }

        return plans;
    }
}

/// <summary>The domains of the configuration, by their names.</summary>
internal sealed record SavedPlans(Dictionary<string, SavedPlan> Users, Dictionary<string, SavedPlan> Domains);

/// <summary>One domain of the configuration.</summary>
internal sealed record SavedPlan(SavedAccess Directory, SavedAccess Managed, SavedLimits Limits);

[JsonSourceGenerationOptions(
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SavedPlans))]
internal sealed partial class PlanJson : JsonSerializerContext;
