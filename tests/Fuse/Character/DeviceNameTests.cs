using TpmFs.Fuse.Character;

namespace TpmFs.Fuse.Tests.Character;

public sealed class DeviceNameTests
{
    [Theory]
    [InlineData("tpmrmfs0")]
    [InlineData("tpmfs/web")]
    [InlineData("tpmfs/a.b_c-d/rm0")]
    [InlineData("..tpm")]
    [InlineData("tpm/...")]
    public void Portable_names_with_slashes_between_are_names(string name) => Assert.True(DeviceName.IsValid(name));

    [Theory]
    [InlineData("")]
    [InlineData("/tpm")]
    [InlineData("tpm/")]
    [InlineData("tpm//web")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../sda")]
    [InlineData("tpm/../sda")]
    [InlineData("tpm/..")]
    [InlineData("tpm/.")]
    [InlineData("tpm!..!sda")] // the kernel takes ! for /
    [InlineData("tpm!web")]
    [InlineData("-tpm")]
    [InlineData("tpm/-x")]
    [InlineData("tpm web")]
    [InlineData("tpm\n")]
    [InlineData("tpm\0DEVNAME=null")]
    [InlineData("tpmé")]
    public void A_path_that_leaves_dev_or_means_something_to_the_kernel_is_no_name(string name) =>
        Assert.False(DeviceName.IsValid(name));

    [Fact]
    public void A_name_has_its_most_bytes()
    {
        Assert.True(DeviceName.IsValid(new string('t', DeviceName.MaxLength)));
        Assert.False(DeviceName.IsValid(new string('t', DeviceName.MaxLength + 1)));
    }

    [Fact]
    public void Devices_share_a_major_number_and_no_two_have_one_minor_number()
    {
        var numbers = new DeviceNumbers();
        DeviceNumber first = numbers.Next();
        Assert.Equal(0u, first.Major); // the kernel's choice
        numbers.Made(first with { Major = 234 });

        DeviceNumber[] more = [.. Enumerable.Range(0, 1000).Select(_ => numbers.Next())];
        Assert.All(more, number => Assert.Equal(234u, number.Major));
        Assert.Equal(1001, more.Append(first).Select(number => number.Minor).Distinct().Count());

        // Once no device is left, another driver may have the major number.
        numbers.Gone(first);
        Assert.Equal(0u, numbers.Next().Major);
    }

    [Fact]
    public void The_number_of_an_earlier_processs_device_is_given_to_no_other()
    {
        var numbers = new DeviceNumbers();
        uint next = (numbers.Next().Minor + 1) % (1 << 20);
        numbers.Made(new DeviceNumber(234, next));
        Assert.NotEqual(next, numbers.Next().Minor);
    }
}
