namespace TpmFs.Policy;

/// <summary>A user's relation to a thing that several users share.</summary>
internal enum Standing
{
    /// <summary>One of those who share it.</summary>
    User,

    /// <summary>Its owner, who may fill it.</summary>
    Owner,

    /// <summary>Root, or the user who runs the daemon. A reserve is theirs.</summary>
    Administrator,
}
