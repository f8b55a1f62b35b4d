#!/usr/bin/python3
"""kill.py SECONDS SEED: kills the daemon of tpmfs.service at random moments, and systemd starts it again.

Most of the daemons serve when they are killed. Up to two in a row are killed earlier, while they start or take over:
the third that ended so would drop what it cannot take over. Returns with a daemon that serves, and prints how many of
each were killed: "serving N, starting N".
"""
import os
import random
import signal
import subprocess
import sys
import time

UNIT = "tpmfs.service"
PROCESSES = f"/sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs"
SERVES_FOR = 1.5  # seconds at the most until it is killed
STARTS_IN = 4  # seconds, about, when all is emulated and others use the processor too
APPEARS_IN = 120  # seconds at the most, on a machine that is busy


def daemon():
    """The service's main process; 0 while there is none. Others are the unit's commands."""
    try:
        with open(PROCESSES) as processes:
            for pid in map(int, processes):
                with open(f"/proc/{pid}/comm") as name:
                    if name.read() == "tpmfs\n":
                        return pid
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def next_after(old):
    end = time.monotonic() + APPEARS_IN
    while (pid := daemon()) in (0, old):
        if time.monotonic() > end:
            sys.exit(f"no daemon but {old} within {APPEARS_IN} s")
        time.sleep(0.01)
    return pid


def kill(pid, within):
    """Kills a daemon at a random moment; returns the next one."""
    time.sleep(random.uniform(0, within))
    os.kill(pid, signal.SIGKILL)
    return next_after(pid)


def await_serving():
    """A service that is going to be started again keeps this waiting until it is active."""
    subprocess.run(["systemctl", "start", UNIT], check=True)


def main(seconds, seed):
    random.seed(seed)
    serving = starting = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await_serving()
        pid = kill(next_after(0), SERVES_FOR)
        serving += 1
        for _ in range(random.randrange(3)):
            pid = kill(pid, STARTS_IN)
            starting += 1
    await_serving()
    print(f"serving {serving}, starting {starting}")


main(float(sys.argv[1]), sys.argv[2])
