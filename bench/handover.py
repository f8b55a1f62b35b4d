"""What it costs that openers outlive their daemon: what the mirror adds to a command, and how long nobody answers while
one daemon follows another. Of the installed build."""

import time
from operator import truediv
from statistics import median

import tpm
from figures import Limit, failures, limits_table, micro, percentile, ratio_spread, table
from processes import INSTALLED, one_cpu

MOST_MIRROR = 1.03  # of the time without the mirror
MOST_PAUSE = 0.3  # seconds, the median of upgrades
MOST_ADOPTION = 1.0  # seconds, of MANY openers with an object each
OPENERS = 16
MANY = 1000
FLOOD = 1.5  # seconds of commands, in the middle of which a daemon is replaced
ATTEMPTS = 3  # for each pause: one that began too late for the flood is not counted
LEAD = 0.2  # seconds
WARM_UP = 20000  # commands until just-in-time compilers have settled
# what sets the daemons of a pair apart must be the mirror alone; a daemon without one cannot have this either
EQUAL = {'DOTNET_EnableWriteXorExecute': '0'}


class Pair:
    """A daemon with the mirror and one without, and a client of both. Several pairs take part, since two daemons of the
    same kind differ too: by where their memory is, and by what was compiled when."""

    def __init__(self, starter, number):
        self.sites = [starter.tpmfs(name=f'mirror-{number}-{kind}', environment=EQUAL, program=INSTALLED,
                                    is_mirrored=kind == 'with') for kind in ('with', 'without')]
        if [site.manager.has_mirror() for site in self.sites] != [True, False]:
            raise RuntimeError('the daemons do not differ by their mirror')
        self.client = starter.client()
        self.client.pin(one_cpu())
        self.steps = []
        for index, site in enumerate(self.sites):
            site.pin(one_cpu())
            site.open(self.client, index, 'file')
            key = self.client.handle(index, tpm.create_hmac_key())
            self.steps.append({'GetRandom': f'{index}:{tpm.get_random().hex()}',
                               'HMAC with a key': f'{index}:{tpm.hmac(key).hex()}'})
            for step in self.steps[index].values():
                self.client.loop(WARM_UP, step)

    def measure(self, command, count, is_turned):
        """The medians with the mirror and without it, of blocks that follow each other."""
        found = [0, 0]
        for index in (1, 0) if is_turned else (0, 1):
            found[index] = percentile(self.client.loop(count, self.steps[index][command]), 0.5)
        return found


def _mirror(starter, quick):
    pairs = [Pair(starter, number) for number in range(2 if quick else 4)]
    commands = list(pairs[0].steps[0])
    blocks, count = (10, 500) if quick else (40, 1000)
    found = {command: [] for command in commands}
    for block in range(blocks):
        for pair in pairs:
            for command in commands:
                found[command].append(pair.measure(command, count, is_turned=block % 2 > 0))
    return [{'command': command, 'blocks': medians} for command, medians in found.items()]


def _pauses(starter, site, replace, times, openers=0):
    """The seconds without an answer at each of several replacements, while clients send commands all the time."""
    client, holder = starter.client(), starter.client()
    commands = {}
    for number in range(OPENERS):
        site.open(client, number, 'epoll')
        commands[number] = tpm.get_random()
    keys = []
    for number in range(openers):
        site.open(holder, number, 'file')
        keys.append(holder.handle(number, tpm.create_hmac_key()))
    found = []
    for _ in range(ATTEMPTS * times):
        client.start_flood(FLOOD, commands)
        time.sleep(LEAD)
        begun = time.monotonic()
        replace()
        is_within = time.monotonic() - begun < FLOOD - LEAD
        pause = client.pause_of_flood()
        found += [pause] if is_within else []
        if len(found) == times:
            break
    else:
        raise RuntimeError(f'a daemon takes more than {FLOOD - LEAD} s to follow another one')
    for number, key in enumerate(keys):  # nothing was lost
        holder.run(number, tpm.hmac(key))
    starter.stop(client)
    starter.stop(holder)
    return found


def run(starter, quick):
    mirror = _mirror(starter, quick)
    site, kept = starter.tpmfs(name='upgraded', program=INSTALLED), starter.tpmfs_kept('killed', INSTALLED)
    times, times_with_many = (7, 3) if quick else (21, 11)
    return {'mirror': mirror, 'pauses': {
        'upgrade': _pauses(starter, site, site.manager.hand_over, times),
        'kill': _pauses(starter, kept, kept.manager.kill, times),
        'many': _pauses(starter, site, site.manager.hand_over, times_with_many, MANY)}}


def _limits(result):
    limits = [Limit(f"{row['command']}: with the mirror / without it", median(truediv(*both) for both in row['blocks']),
                    MOST_MIRROR) for row in result['mirror']]
    return limits + [
        Limit('an upgrade: seconds without an answer', median(result['pauses']['upgrade']), MOST_PAUSE),
        Limit(f'an upgrade with {MANY} openers that have an object each: seconds without an answer',
              median(result['pauses']['many']), MOST_ADOPTION)]


def judge(result):
    return failures(_limits(result))


def report(result):
    names = {'upgrade': 'tpmfs handover', 'kill': 'SIGKILL, beside a service manager that keeps descriptors',
             'many': f'tpmfs handover, {MANY} other openers have an object each'}
    blocks = len(result['mirror'][0]['blocks'])
    text = table(f'What the mirror adds, all on one CPU, by write and read; medians of {blocks} interleaved blocks', [
        'command', 'with the mirror, µs', 'without it, µs', 'ratio of neighbours (lowest–highest)'], [
        [row['command'], *[micro(median(both[index] for both in row['blocks'])) for index in (0, 1)],
         ratio_spread([truediv(*both) for both in row['blocks']])] for row in result['mirror']])
    text += table(f'From the last answer of a daemon to the first one of the next, while {OPENERS} openers send '
                  'GetRandom all the time; ms', ['how', 'times', 'median', 'lowest–highest'], [
                      [names[how], len(pauses), f'{median(pauses) * 1e3:.0f}',
                       f'{min(pauses) * 1e3:.0f}–{max(pauses) * 1e3:.0f}']
                      for how, pauses in result['pauses'].items()])
    return text + limits_table('What openers that outlive the daemon may cost', _limits(result))
