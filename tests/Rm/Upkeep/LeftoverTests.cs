using System.Buffers;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>Tests that an opener or a command leaves nothing behind, however busy the TPM is.</summary>
public sealed class LeftoverTests
{
    [Fact]
    public void A_closed_opener_s_objects_leave_a_tpm_that_is_never_idle()
    {
        using var rig = new Rig();
        Opener closing = rig.Open();
        closing.NewKeys(3);
        Opener[] busy = [rig.Open(), rig.Open()];
        Array.ForEach(busy, opener => opener.Send(Cmd.GetRandom(8)));
        closing.Close();
        for (int i = 0; i < 10; i++)
        {
            Assert.True(rig.Manager.RunOne());
            foreach (Opener done in busy.Where(opener => opener.IsDone))
            {
                done.Send(Cmd.GetRandom(8));
            }
        }

        Assert.Empty(rig.Tpm.TransientHandles);
    }

    /// <summary>A command after TPM2_Shutdown would undo what it has prepared (Part 3, 9.4).</summary>
    [Fact]
    public void An_object_left_after_a_shutdown_is_flushed_after_the_next_command_and_not_before()
    {
        using var rig = new Rig();
        Opener closing = rig.Open();
        closing.NewSession(SessionType.Policy);
        Opener opener = rig.Open();
        opener.Must(Cmd.Shutdown());
        rig.Tpm.Log.Clear();
        closing.Close();
        rig.Pass(TimeSpan.FromMinutes(1));
        Assert.Equal(0, rig.Tpm.Log.Total);
        opener.Must(Cmd.GetRandom(8));
        rig.Run();
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    /// <summary>A thread's pool gives the array that was returned to it last.</summary>
    [Fact]
    public void A_command_s_bytes_are_wiped_before_anybody_can_have_their_array()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        byte[] secret = [.. Enumerable.Repeat((byte)0xA5, 64)];
        byte[] command = Cmd.Build(0x146, [], new ByteWriter().Sized(secret).Written);
        opener.Must(command);
        byte[] next = ArrayPool<byte>.Shared.Rent(command.Length);
        Assert.Equal(-1, next.AsSpan().IndexOf(secret));
        ArrayPool<byte>.Shared.Return(next);
    }
}
