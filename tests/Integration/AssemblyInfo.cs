using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

// Every mount has a daemon, a TPM and clients of its own: one after the other is kindest to a small machine, and to
// what is measured.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
