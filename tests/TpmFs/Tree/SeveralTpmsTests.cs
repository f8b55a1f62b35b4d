using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Tree;

/// <summary>A tree of two TPMs, and of TPMs that are not what was thought.</summary>
public sealed class SeveralTpmsTests : IDisposable
{
    private readonly TreeFixture _tree = new(tpms: 2);

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void Each_TPM_has_its_nodes_in_the_root_in_every_domain_and_at_every_locality()
    {
        _tree.Make("domains", "web");
        _tree.Make("users", "1000");
        Assert.Equal(
            ["raw0", "raw1", "rm0", "rm1"], _tree.List("").Where(name => char.IsAsciiDigit(name[^1])));
        Assert.Equal(["raw0", "raw1", "rm0", "rm1"], _tree.List("locality/3"));
        Assert.Equal(["rm0", "rm1"], _tree.List("domains/web/locality/0"));
        Assert.Equal(
            ["rm0", "rm1"], _tree.List("users/1000").Where(name => name.StartsWith("rm", StringComparison.Ordinal)));
        Assert.Equal(_tree.Find("users/1000/rm0").Mode, _tree.Find("users/1000/rm1").Mode);
        Assert.Equal(_tree.Find("rm0").Gid, _tree.Find("rm1").Gid);
    }

    [Fact]
    public void A_user_of_two_TPMs_has_a_share_of_each_and_both_end_with_the_domain()
    {
        _tree.Make("domains", "web");
        _tree.Open("domains/web/rm0");
        _tree.Open("domains/web/rm1");
        Assert.NotSame(_tree.Owners[0].Group, _tree.Owners[1].Group);
        _tree.Write("domains/web/weight", "7");
        _tree.Write("domains/web/objects.max", "5");
        Assert.All(_tree.Owners, owner => Assert.Equal((7, 5), (owner.Group.Weight, owner.Group.Limits.ObjectsMax)));

        Assert.Equal(Errno.None, _tree.Remove("domains", "web"));
        Assert.Equal(_tree.Owners.Select(owner => owner.Group).ToHashSet(), _tree.Ended.ToHashSet());
    }

    [Fact]
    public void One_raw_opener_is_for_each_TPM()
    {
        _tree.Open("raw0");
        _tree.Open("locality/2/raw1");
        Assert.Equal(Errno.EBUSY, _tree.TryOpen("raw1", out _));
    }

    [Fact]
    public void Openers_stat_metrics_and_status_say_which_TPM()
    {
        _tree.Make("domains", "web");
        _tree.Open("domains/web/rm1");
        Assert.Equal("rm1", _tree.Read("domains/web/openers").Split(' ')[4]);
        string[] stat = _tree.Read("domains/web/stat").Split('\n');
        Assert.Contains("openers 1", stat);
        Assert.Contains("tpm0.openers 0", stat);
        Assert.Contains("tpm1.openers 1", stat);
        string[] metrics = _tree.Read("metrics").Split('\n');
        Assert.Contains("tpmfs_openers{domain=\"domains/web\",tpm=\"0\"} 0", metrics);
        Assert.Contains("tpmfs_openers{domain=\"domains/web\",tpm=\"1\"} 1", metrics);
        Assert.Contains("tpmfs_tpm_up{tpm=\"1\"} 1", metrics);
        string status = _tree.Read("status");
        Assert.Contains("TPM 1      way 1", status, StringComparison.Ordinal);
        Assert.Matches("(?m)^domains/web +1 +1 ", status);
    }

    [Fact]
    public void A_TPM_that_is_not_there_is_said_to_be_away_with_the_reason_and_the_other_is_not()
    {
        _tree.Problems[1] = "there is no /dev/tpm1";
        _tree.Facts[1] = TpmFacts.None;
        Assert.Matches(
            "(?m)^ +NOT THERE; tpmfs tries it again and again: there is no /dev/tpm1$", _tree.Read("status"));
        Assert.Single(_tree.Read("status").Split("NOT THERE")[1..]);
        Assert.Contains("tpmfs_tpm_up{tpm=\"1\"} 0", _tree.Read("metrics").Split('\n'));
        Assert.Contains("tpmfs_tpm_up{tpm=\"0\"} 1", _tree.Read("metrics").Split('\n'));
        _tree.Open("rm1");
    }

    [Fact]
    public void A_TPM_1_2_has_no_managed_node_anywhere_and_status_says_why()
    {
        _tree.Make("domains", "web");
        _tree.Facts[1] = TpmFacts.None with { Family = TpmFamily.Tpm12 };
        Assert.Equal(Errno.ENOENT, _tree.TryFind("rm1", out _));
        Assert.Equal(Errno.ENOENT, _tree.TryFind("domains/web/rm1", out _));
        Assert.DoesNotContain("rm1", _tree.List(""));
        Assert.Equal(["rm0"], _tree.List("domains/web/locality/1"));
        Assert.Contains(
            "TPM 1.2, which tpmfs cannot manage: there is no rm1, and raw1", _tree.Read("status"),
            StringComparison.Ordinal);
        _tree.Open("raw1");
        _tree.Open("rm0");
    }

    [Fact]
    public void A_locality_is_there_for_the_TPMs_that_can_set_it_as_soon_as_that_is_known()
    {
        _tree.Facts[0] = TpmFacts.None;
        _tree.Facts[1] = TpmFacts.None;
        Assert.Equal(["0"], _tree.List("locality"));
        Assert.Equal(3u, _tree.Find("locality").LinkCount);
        Assert.Equal(Errno.ENOENT, _tree.TryFind("locality/1/rm0", out _));

        _tree.Facts[1] = TpmFacts.None with { Family = TpmFamily.Tpm20, HighestLocality = 2 };
        Assert.Equal(["0", "1", "2"], _tree.List("locality"));
        Assert.Equal(5u, _tree.Find("locality").LinkCount);
        Assert.Equal(["raw1", "rm1"], _tree.List("locality/2"));
        Assert.Equal(Errno.ENOENT, _tree.TryFind("locality/1/rm0", out _));
    }

    [Fact]
    public void Changes_of_the_second_TPMs_nodes_are_kept_over_a_restart()
    {
        _tree.Make("domains", "web");
        _tree.Change("rm1", mode: 0x1B6);
        _tree.Change("domains/web/rm1", mode: 0x180);
        _tree.Stop();
        using var next = new TreeFixture(folder: _tree.Folder, tpms: 2);
        Assert.Equal((0x81B6u, 0x8180u), (next.Find("rm1").Mode, next.Find("domains/web/rm1").Mode));
        Assert.Equal((0x81B0u, 0x81B0u), (next.Find("rm0").Mode, next.Find("domains/web/rm0").Mode));
    }
}
