using System.Runtime.CompilerServices;

// Every struct that crosses to the kernel is blittable; the compiler refuses what is not.
[assembly: DisableRuntimeMarshalling]
