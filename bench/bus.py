"""tpm2-abrmd, and TpmFs in its place: the same clients, with the TCTI that finds either on D-Bus. Latency with one
client, and rates with many."""

import os
from statistics import median

import latency
import throughput
from figures import Limit, failures, limits_table, micro, table
from processes import one_cpu

OPENERS = (1, 4, 16, 64)
WAY = 'tcti'


def _sites(starter):
    return [starter.tpmfs_bus(), starter.abrmd(), starter.abrmd_on_node()]


def _latency(starter, sites, quick):
    blocks, count = (3, 1000) if quick else (10, 5000)
    rows = []
    for where, cpus in (('one CPU', one_cpu()), ('any CPU', os.sched_getaffinity(0))):
        for cell in latency.measure(starter, [(site, site.name, (WAY,)) for site in sites], cpus, blocks, count):
            rows.append({'where': where, 'site': cell.name, 'p50': cell.middle('percentiles', 0),
                         'p90': cell.middle('percentiles', 1), 'p99': cell.middle('percentiles', 2)})
    return rows


def _rates(starter, sites, quick):
    seconds, blocks = (0.4, 1) if quick else (1, 3)
    rows = []
    for with_objects in (False, True):
        for processes in (False, True):
            for openers in OPENERS:
                found = {site.name: [] for site in sites}
                for _ in range(blocks):
                    for site in sites:
                        found[site.name].append(
                            throughput.measure(starter, site, WAY, openers, seconds, processes, with_objects))
                rows += [{'objects': with_objects, 'processes': processes, 'openers': openers, 'site': name}
                         | {key: median(block[key] for block in measured) for key in measured[0]}
                         for name, measured in found.items()]
    return rows


def run(starter, quick):
    sites = _sites(starter)
    return {'latency': _latency(starter, sites, quick), 'rates': _rates(starter, sites, quick)}


def _what(row):
    return (f"{'HMAC' if row['objects'] else 'GetRandom'}, {row['openers']} connections, "
            f"{'processes' if row['processes'] else 'one client'}")


def _limits(result):
    limits = []
    for row in result['latency']:
        if row['site'] != 'TpmFs':
            own = next(other for other in result['latency']
                       if other['site'] == 'TpmFs' and other['where'] == row['where'])
            limits += [Limit(f"time of {row['site']}'s, {row['where']}, {share}", own[share] / row[share], 1)
                       for share in ('p50', 'p90', 'p99')]
    rates = {(row['site'], _what(row)): row['per_second'] for row in result['rates']}
    limits += [Limit(f"commands/s of {site}'s, {what}", rates['TpmFs', what] / rate, 1, most=False)
               for (site, what), rate in rates.items() if site != 'TpmFs']
    return limits


def judge(result):
    return failures(_limits(result))


def report(result):
    text = table('GetRandom by D-Bus, one client; times in µs', ['on', 'manager', 'p50', 'p90', 'p99'],
                 [[row['where'], row['site'], *[micro(row[share]) for share in ('p50', 'p90', 'p99')]]
                  for row in result['latency']])
    text += table('Connections that all have a command under way all the time, on any CPU; times in µs',
                  ['command, connections', 'manager', 'commands/s', 'p50', 'p99', 'fewest–most of a connection',
                   'CPU of the manager'],
                  [[_what(row), row['site'], f"{row['per_second']:.0f}", micro(row['p50']), micro(row['p99']),
                    f"{row['fewest']:.0f}–{row['most']:.0f}", micro(row['cpu'])] for row in result['rates']])
    return text + limits_table('TpmFs by D-Bus / tpm2-abrmd', _limits(result))
