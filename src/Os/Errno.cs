using System.Runtime.InteropServices;

namespace TpmFs.Os;

/// <summary>
/// An error number of the kernel's ABI (asm-generic/errno.h), positive; zero is success. It is negated only where a
/// reply to the kernel is written.
/// </summary>
public readonly record struct Errno(int Value)
{
    public static Errno None => new(0);
    public static Errno EPERM => new(1);
    public static Errno ENOENT => new(2);
    public static Errno ESRCH => new(3);
    public static Errno EINTR => new(4);
    public static Errno EIO => new(5);
    public static Errno ENXIO => new(6);
    public static Errno E2BIG => new(7);
    public static Errno EBADF => new(9);
    public static Errno EAGAIN => new(11);
    public static Errno ENOMEM => new(12);
    public static Errno EACCES => new(13);
    public static Errno EBUSY => new(16);
    public static Errno EEXIST => new(17);
    public static Errno ENODEV => new(19);
    public static Errno ENOTDIR => new(20);
    public static Errno EISDIR => new(21);
    public static Errno EINVAL => new(22);
    public static Errno ENFILE => new(23);
    public static Errno ENOTTY => new(25);
    public static Errno EFBIG => new(27);
    public static Errno ENOSPC => new(28);
    public static Errno ESPIPE => new(29);
    public static Errno EROFS => new(30);
    public static Errno ERANGE => new(34);
    public static Errno ENAMETOOLONG => new(36);
    public static Errno ENOSYS => new(38);
    public static Errno ENOTEMPTY => new(39);
    public static Errno ELOOP => new(40);
    public static Errno ENODATA => new(61);
    public static Errno ETIME => new(62);
    public static Errno EPROTO => new(71);
    public static Errno EOPNOTSUPP => new(95);
    public static Errno ECONNABORTED => new(103);
    public static Errno ENOTCONN => new(107);
    public static Errno EDQUOT => new(122);

    /// <summary>Gives the error of this thread's last system call that failed.</summary>
    public static Errno Last => new(Marshal.GetLastPInvokeError());

    /// <summary>True when there is an error.</summary>
    public bool IsError => Value != 0;

    /// <summary>Returns the text of strerror(3) for the error, for messages to people.</summary>
    public string Text() => Marshal.GetPInvokeErrorMessage(Value);

    /// <summary>Returns success when the result of a system call is not negative, else the error of the call.</summary>
    internal static Errno Of(nint result) => result < 0 ? Last : None;
}
