namespace TpmFs.Policy;

/// <summary>Keeps limits that were changed at run time over a restart. Any thread; never blocks.</summary>
internal interface ILimitStore
{
    /// <summary>Returns the limits that were kept for a domain; all of them are null where none were kept.</summary>
    Limits Find(string path);

    void Keep(string path, Limits changed);
}
