#!/usr/bin/python3
"""Does the same on the kernel's /dev/tpmrm0 and on TpmFs's rm0, each over a TPM of the kernel's with the same seeds,
and says where they differ.

    run.py WAY                       the actions of actions.txt, and of slow.txt where TPMFS_SOAK is set
    run.py raw                       the actions of raw.txt, on /dev/tpmN and on raw0
    run.py WAY random ACTIONS SEED   random clients, until they have done so much; the seed makes all of them

WAY is the way to TpmFs: node, or device for the character device of the node.

Prints JSON: how many actions, and each difference: "WHERE: ACTION: KERNEL'S OUTCOME <> TPMFS'S", and the name that
it has in differences.json or null. VERBOSE=1 shows every action on standard error.
"""
import collections
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

from random_client import RandomClient  # noqa: E402
from side import MISSING, Side  # noqa: E402


class Differences:
    """differences.json, and what was found."""

    def __init__(self, way):
        self.way = way
        self._allowed = [(re.compile(case), entry) for entry in json.loads((HERE / "differences.json").read_text())
                         for case in entry["cases"] if way in entry.get("ways", ["node", "device"])]
        self.found = collections.Counter()
        self.unexplained = []
        self.actions = 0

    def compare(self, where, action, kernel, tpmfs):
        """Whether both are in the same state after it, as far as is known."""
        self.actions += 1
        line = f"{where}: {action}: {kernel} <> {tpmfs}"
        if os.environ.get("VERBOSE"):
            print(line if kernel != tpmfs else f"{where}: {action}: {kernel}", file=sys.stderr, flush=True)
        if kernel == tpmfs and MISSING not in kernel:
            return True
        for case, entry in self._allowed:
            if case.fullmatch(line):
                self.found[case.pattern] += 1
                return entry.get("goes on", False)
        self.unexplained.append(line)
        return False


def sections(file):
    """Name and actions of each section."""
    found = {}
    for line in (HERE / file).read_text().splitlines():
        if line.startswith("== "):
            actions = found[line[3:]] = []
        elif line and not line.startswith(("#", "also ")):
            actions.append(line)
    return found


def raw_sections():
    """Names and actions of the sections of raw.txt. A line 'also SECTION' at its top stands for a section of
    actions.txt, on the raw node. That node has one opener at a time, so each opener of the section acts alone."""
    managed = sections("actions.txt")
    for line in (HERE / "raw.txt").read_text().splitlines():
        if line.startswith("also "):
            actions = [action.split(maxsplit=2) for action in managed[line[5:]]]
            for opener in sorted({who for who, *_ in actions} - {"tpm", "pause"}):
                yield line[5:], [" ".join([who, "openraw" if verb == "open" else verb, *words])
                                 for who, verb, *words in actions if who in (opener, "tpm", "pause")]
    yield from sections("raw.txt").items()


def managed_sections():
    yield from sections("actions.txt").items()
    if os.environ.get("TPMFS_SOAK"):
        yield from sections("slow.txt").items()


def scripted(sides, differences):
    """One side after the other, so that no time passes on one while the other is at work."""
    for where, actions in raw_sections() if differences.way == "raw" else managed_sections():
        outcomes = []
        for side in sides:
            outcomes.append([side.act(action) for action in actions])
            side.end()
        for action, kernel, tpmfs in zip(actions, *outcomes):
            differences.compare(where, action, kernel, tpmfs)


def attempt(sides, actions, differences):
    """What was done until the two were no longer in the same state."""
    done = []
    for action in actions:
        done.append(action)
        if not differences.compare("random", action, *(side.act(action) for side in sides)):
            break
    for side in sides:
        side.end()
    return done


def shrink(sides, actions, difference, way):
    """Fewer actions that end in the same difference."""
    i = len(actions) - 2
    while i >= 0:
        fewer, differences = actions[:i] + actions[i + 1:], Differences(way)
        done = attempt(sides, fewer, differences)
        if differences.unexplained == [difference]:
            actions, i = done, min(i, len(done) - 1)
        i -= 1
    return actions


def randomly(sides, differences, actions, seed):
    clients, failures = 0, []
    while differences.actions < actions and not failures:
        clients += 1
        done = attempt(sides, RandomClient(f"{seed}/{clients}").actions(), differences)
        if differences.unexplained:
            fewest = shrink(sides, done, differences.unexplained[0], differences.way)
            failures.append({"client": f"{seed}/{clients}", "actions": fewest})
    return {"clients": clients, "failures": failures}


def main():
    processes.build()
    way, is_random = sys.argv[1], sys.argv[2:3] == ["random"]
    differences = Differences(way)
    with tempfile.TemporaryDirectory() as folder, Sites(Path(folder)) as sites:
        kernel, *others = sites.kernel_and_tpmfs(device="tpmfs/differential" if way == "device" else None)
        pair = [Side(kernel), Side(others[-1])]
        if is_random:
            more = randomly(pair, differences, int(sys.argv[3]), sys.argv[4])
        else:
            more = scripted(pair, differences) or {}
    print(json.dumps({"actions": differences.actions, "found": differences.found,
                      "unexplained": differences.unexplained, **more}, indent=1))


main()
