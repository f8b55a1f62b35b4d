using System.Globalization;
using TpmFs.Fuse.Mount;
using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Host;

/// <summary>
/// Serves a <see cref="ToyFileSystem"/> on a real mount, as a process of its own. Arguments: mount point, lock file,
/// then any of allow_other, create, acl, threads=N. Says on standard output what happens, a line each; takes orders on
/// standard input: "say TEXT" (the pipe has TEXT), "unmount" (without stopping first), "stop". The end of its input is
/// "stop" too.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        var options = new FuseMountOptions
        {
            MountPoint = arguments[0],
            LockFile = arguments[1],
            Source = "toyfs",
            Subtype = "toyfs",
            AllowOther = arguments.Contains("allow_other"),
            CreateMountPoint = arguments.Contains("create"),
        };
        string threads = arguments.FirstOrDefault(argument => argument.StartsWith("threads=", StringComparison.Ordinal))
            ?? "threads=2";
        var log = new ConsoleLog();
        if (!FuseMount.TryMount(options, log, out FuseMount? mount, out string problem))
        {
            Say($"refused {problem}");
            return 2;
        }

        using (mount)
        {
            var toy = new ToyFileSystem(Say);
            var sessionOptions = new FuseSessionOptions
            {
                Threads = int.Parse(threads.AsSpan("threads=".Length), CultureInfo.InvariantCulture),
                PosixAcl = arguments.Contains("acl"),
            };
            using var session = new FuseSession(mount, toy, sessionOptions, log);
            session.Start();
            session.Initialised.Wait(TimeSpan.FromSeconds(10));
            Say("ready");
            var orders = new Thread(() => TakeOrders(toy, session, mount)) { IsBackground = true, Name = "orders" };
            orders.Start();
            FuseSessionEnd end = session.Ended.Result;
            mount.Unmount();
            Say($"ended {end}");
            return end == FuseSessionEnd.Stopped ? 0 : 1;
        }
    }

    private static void TakeOrders(ToyFileSystem toy, FuseSession session, FuseMount mount)
    {
        const string SayOrder = "say ";
        while (Console.ReadLine() is { } order && order != "stop")
        {
            if (order.StartsWith(SayOrder, StringComparison.Ordinal))
            {
                toy.Provide(order[SayOrder.Length..]);
            }
            else if (order == "unmount")
            {
                mount.Unmount();
                return;
            }
        }

        session.Stop();
    }

    private static void Say(string line)
    {
        lock (Console.Out)
        {
            Console.Out.WriteLine(line);
            Console.Out.Flush();
        }
    }

    private sealed class ConsoleLog : IFuseLog
    {
        public void Information(string message) => Say($"info {message}");

        public void Warning(string message) => Say($"warning {message}");

        public void Error(string message, Exception? exception) => Say($"error {message} {exception}");
    }
}
