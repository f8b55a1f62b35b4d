using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Objects;

/// <summary>The objects of all openers together are bounded, and no user takes them from the others.</summary>
public sealed class ObjectBudgetTests
{
    private const uint Refused = 0x000B0000 | Rc.ObjectMemory;

    /// <summary>
    /// Each opener's limit used to be the only one, so that one user's openers could hold any number.
    /// </summary>
    [Fact]
    public void A_user_may_hold_no_more_than_is_left_for_the_others()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ObjectsInAll = 32 });
        Opener[] greedy = [.. Enumerable.Range(0, 5).Select(_ => rig.Open("greedy", uid: 1))];
        Array.ForEach(greedy, opener => opener.NewKeys(2));
        Assert.Equal(Refused, greedy[0].Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
        Opener other = rig.Open("other", uid: 2);
        other.NewKeys(7);
        Assert.Equal(Refused, other.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
        rig.Open("third", uid: 3).NewKeys(2);
    }

    /// <summary>
    /// Regression: each uid of a container counted as a user, so that eighteen of them held all objects there are.
    /// </summary>
    [Fact]
    public void A_domain_holds_no_more_than_half_however_many_users_it_has_and_root_has_a_reserve()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ObjectsInAll = 32 });
        Assert.Equal(15, Fill("container"));
        Assert.Equal(8, Fill("another"));
        for (int i = 0; Fill($"further {i}") > 0; i++)
        {
            // until nobody else finds room
        }

        rig.Open("root", uid: 0).NewKeys(2);

        int Fill(string group)
        {
            int made = 0;
            for (uint uid = 1; uid < 40; uid++)
            {
                Opener user = rig.Open(group, uid);
                while (user.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code == 0)
                {
                    made++;
                }
            }

            return made;
        }
    }

    /// <summary>
    /// Regression: a user had a share in each domain, so that one who made 26 domains held all objects there are.
    /// </summary>
    [Fact]
    public void A_user_of_many_domains_holds_no_more_than_half()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ObjectsInAll = 32 });
        int made = 0;
        for (int i = 0; i < 10; i++)
        {
            Opener opener = rig.Open($"of user 1, number {i}", uid: 1);
            while (opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code == 0)
            {
                made++;
            }
        }

        Assert.Equal(15, made);
        rig.Open("other", uid: 2).NewKeys(5);
    }

    /// <summary>
    /// Regression: a user had a share for each subordinate uid, and so could hold all objects.
    /// </summary>
    [Fact]
    public void All_uids_of_a_user_together_hold_what_one_of_them_may()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ObjectsInAll = 32 });
        Opener[] greedy = [.. Enumerable.Range(0, 10).Select(i => new Opener(
            rig, new SpaceOwner(rig.Group("greedy"), 100_000 + (uint)i, 0) { Payer = 1 }))];
        Array.ForEach(greedy, opener => opener.NewKeys(1));
        Assert.Equal(Refused, greedy[0].Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
        Opener own = rig.Open("greedy", uid: 1);
        Assert.Equal(Refused, own.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
        rig.Open("other", uid: 2).NewKeys(4);
    }

    [Fact]
    public void Room_of_flushed_objects_and_closed_openers_may_be_used_again()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ObjectsInAll = 8 });
        Opener opener = rig.Open();
        Opener second = rig.Open();
        uint[] keys = opener.NewKeys(2);
        second.NewKeys(1);
        Assert.Equal(Refused, opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
        opener.Must(Cmd.FlushContext(keys[0]));
        opener.NewKeys(1);
        second.Close();
        rig.Run();
        opener.NewKeys(1);
        Assert.Equal(Refused, opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
    }
}
