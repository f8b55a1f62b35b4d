#!/usr/bin/python3
"""Does the same on the kernel's /dev/tpmrm0 and on TpmFs's rm0, each over a TPM of the kernel's with the same seeds, and says where they differ.

    run.py scripted             the actions of actions.txt
    run.py random SECONDS SEED  random clients for that long

Prints JSON: what was done, and each difference: where, action, both outcomes, and which line of differences.json allows it, or null.
"""
import json
import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "bench"))

import processes  # noqa: E402
from sites import Sites  # noqa: E402

from side import Side  # noqa: E402


class Differences:
    """differences.json."""

    def __init__(self):
        self.entries = json.loads((HERE / "differences.json").read_text())

    def find(self, where, action, kernel, tpmfs):
        for entry in self.entries:
            if all(re.fullmatch(entry[name], text) for name, text in (("where", where), ("action", action), ("kernel", kernel), ("tpmfs", tpmfs))):
                return entry
        return None


class Pair:
    def __init__(self, kernel, tpmfs):
        self.sides = (kernel, tpmfs)
        self.allowed = Differences()
        self.found = []
        self.actions = 0

    def compare(self, where, action, kernel, tpmfs):
        """The line that allows the difference; whether the outcomes are the same."""
        self.actions += 1
        if kernel == tpmfs:
            return True
        entry = self.allowed.find(where, action, kernel, tpmfs)
        self.found.append({"where": where, "action": action, "kernel": kernel, "tpmfs": tpmfs, "allowed": entry and entry["name"]})
        return False

    def end(self):
        for side in self.sides:
            side.end()


def sections():
    """Name and actions of each section of actions.txt."""
    found = {}
    for line in (HERE / "actions.txt").read_text().splitlines():
        if line.startswith("== "):
            actions = found[line[3:]] = []
        elif line and not line.startswith("#"):
            actions.append(line)
    return found


def scripted(pair):
    """One side after the other, so that no time passes on one while the other is at work."""
    for where, actions in sections().items():
        outcomes = [[side.act(action) for action in actions] for side in pair.sides]
        pair.end()
        for action, kernel, tpmfs in zip(actions, *outcomes):
            if os.environ.get("VERBOSE"):
                print(f"{where}: {action}: {kernel}" + ("" if kernel == tpmfs else f"   <> {tpmfs}"), file=sys.stderr, flush=True)
            pair.compare(where, action, kernel, tpmfs)


def main():
    processes.build()
    with tempfile.TemporaryDirectory() as folder, Sites(Path(folder)) as sites:
        kernel, tpmfs = sites.kernel_and_tpmfs()
        pair = Pair(*(Side(site.name, site.targets["file"], site.proxy) for site in (kernel, tpmfs)))
        scripted(pair)
        print(json.dumps({"actions": pair.actions, "differences": pair.found}, indent=1))


main()
