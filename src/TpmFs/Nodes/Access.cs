namespace TpmFs.Nodes;

/// <summary>Who may do what with a node: permission bits (07777), owner and group. The kernel enforces it (default_permissions).</summary>
internal readonly record struct Access(uint Mode, uint Uid, uint Gid);
