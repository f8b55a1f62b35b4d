#!/usr/bin/python3
"""pull.py CYCLES: takes the device away from TpmFs in the middle of a command, and gives it back, again and again.

Prints JSON: for each cycle what became of the commands, and memory, threads and open files of the daemon after it.
"""
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "bench"), str(HERE / "differential")]

import processes  # noqa: E402
from runtime import collect  # noqa: E402
from sites import Sites  # noqa: E402

from side import Side  # noqa: E402

BACK_IN = 30  # seconds


def give_back(tpm):
    """Under its old number, which is free once nobody has the old device open."""
    end = time.monotonic() + BACK_IN
    while tpm.ask("give") == "no":
        if time.monotonic() > end:
            raise TimeoutError(f"somebody keeps the old device open for {BACK_IN} s")
        time.sleep(0.05)


def cycle(side):
    """An opener's command is under way, another's waits behind it, when the device goes."""
    outcomes = {}
    side.tpm.ask("hold 0x17d")
    for action in ("running write hash", "waiting write pcr"):
        side.act(action)
        if action.startswith("running"):
            side.tpm.ask("held")
    side.tpm.ask("pull")
    outcomes["under way"] = side.act("running read")
    give_back(side.tpm)
    side.tpm.ask("release")
    outcomes["waiting"] = side.act("waiting read")
    for name, action in {"key": "running do hmac k1", "session": "running do digest s1", "other": "waiting do hmac k2",
                         "random": "waiting do random 64"}.items():
        outcomes[name] = side.act(action)
    return outcomes


def files(process):
    """What the process has open but for assemblies, which .NET loads when it first needs them and never closes."""
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(f"/proc/{process.pid}/fd/{name}")
            if not target.endswith(".dll"):
                yield re.sub(r"\[\d+\]", "", target)


def state(process):
    open_files = sorted(files(process))  # before the runtime has a connection to collect() open
    collect(process.pid)
    return {"anonymous": process.status("RssAnon"), "threads": process.status("Threads"), "files": open_files}


def main():
    processes.build()
    with tempfile.TemporaryDirectory() as folder, Sites(Path(folder)) as sites:
        _, site = sites.kernel_and_tpmfs()
        side = Side(site)
        for action in ("running open", "waiting open", "running do load k1 1", "running do session s1 policy",
                       "waiting do load k2 2"):
            side.act(action)
        before = [side.act("running do hmac k1"), side.act("running do digest s1"), side.act("waiting do hmac k2"),
                  side.act("waiting do pcr")]
        cycles = [{**cycle(side), **state(site.manager)} for _ in range(int(sys.argv[1]))]
    print(json.dumps({"before": before, "cycles": cycles}))


main()
