namespace TpmFs.Rm.Manager;

/// <summary>Tells what a manager took over from the last one.</summary>
/// <param name="Spaces">The spaces that were reopened.</param>
/// <param name="Objects">Their transient objects.</param>
/// <param name="Sessions">Their sessions, and those that clients saved.</param>
/// <param name="Exchange">
/// A sentence about the fate of the command that was under way; empty when there was none.
/// </param>
public sealed record ManagerAdoption(int Spaces, int Objects, int Sessions, string Exchange);
