using TpmFs.Mirror;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// Kills a daemon at one of its steps: after the n-th write to memory that outlives it, message to the kernel, or
/// command to the TPM. What the daemon does afterwards, while the exception goes up, is seen by nobody.
/// </summary>
internal sealed class Deaths(params int[] steps)
{
    private readonly Queue<int> _steps = new(steps);
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private int _left;

    /// <summary>Gets how many daemons have died.</summary>
    public int Count { get; private set; }

    /// <summary>Gets or sets the memory as the last one left it; empty where there was none.</summary>
    public byte[] Left { get; set; } = [];

    /// <summary>Gets the memory of the daemon that lives; null while none does.</summary>
    public byte[]? Living { get; private set; }

    /// <summary>A daemon begins.</summary>
    public RecordStore Begin(uint format)
    {
        _left = _steps.TryDequeue(out int steps) ? steps : int.MaxValue;
        Living = Left.Length == 0 ? new byte[2 << 20] : [.. Left];
        RecordStore? store;
        if (Left.Length == 0)
        {
            store = RecordStore.Create(Living, format);
        }
        else
        {
            Assert.True(RecordStore.TryAdopt(Living, format, out store, out string problem), problem);
        }

        byte[] mine = Living;
        store!.AfterWrite = () => Step(mine);
        return store;
    }

    /// <summary>Kills the daemon that lives, and each of the next ones after so many steps.</summary>
    public void Kill(int[] steps)
    {
        Array.ForEach(steps, _steps.Enqueue);
        _left = 1;
        Assert.Throws<DeathException>(() => Step(Living!));
    }

    /// <summary>The daemon with this memory has done something that it cannot take back.</summary>
    public void Step(byte[] memory)
    {
        // The thread that looks up users' names is not killed in the middle: it would take the test with it.
        if (memory == Living && Environment.CurrentManagedThreadId == _thread && --_left == 0)
        {
            Left = [.. memory];
            Living = null;
            Count++;
            throw new DeathException();
        }
    }
}

/// <summary>The daemon is killed.</summary>
internal sealed class DeathException : Exception;
