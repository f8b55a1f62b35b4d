namespace TpmFs.Policy;

/// <summary>Where limits that were changed at run time are kept over a restart. Any thread; never blocks.</summary>
internal interface ILimitStore
{
    /// <summary>What was kept for a domain; says nothing where nothing was.</summary>
    Limits Find(string path);

    void Keep(string path, Limits changed);
}
