using System.Runtime.InteropServices;

namespace TpmFs.Os;

/// <summary>Strings as a new program gets them: an array that ends with a null pointer.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    public NativeStrings(string[] strings)
    {
        Array = (byte**)NativeMemory.AllocZeroed((nuint)strings.Length + 1, (nuint)sizeof(byte*));
        for (int index = 0; index < strings.Length; index++)
        {
            Array[index] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[index]);
        }
    }

    public byte** Array { get; }

    public void Dispose()
    {
        for (byte** item = Array; *item is not null; item++)
        {
            Marshal.FreeCoTaskMem((nint)(*item));
        }

        NativeMemory.Free(Array);
    }
}
