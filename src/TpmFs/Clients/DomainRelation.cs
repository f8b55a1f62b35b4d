using TpmFs.Policy;

namespace TpmFs.Clients;

/// <summary>The relation of a user to a domain at one moment.</summary>
/// <param name="Standing">The user's standing in the domain.</param>
/// <param name="Owner">The owner of the domain's directory.</param>
internal readonly record struct DomainRelation(Standing Standing, uint Owner);
