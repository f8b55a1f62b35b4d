namespace TpmFs.Policy;

/// <summary>The relation of a user to a resource that several users share.</summary>
internal enum Standing
{
    /// <summary>One of the users who share the resource.</summary>
    User,

    /// <summary>The owner, who may fill the resource.</summary>
    Owner,

    /// <summary>Root, or the user who runs the daemon. A reserve is theirs.</summary>
    Administrator,
}
