"""Medians and their spread; numbers and tables as text."""

import os
from statistics import median


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def micro(seconds):
    if seconds is None:
        return '-'
    value = seconds * 1e6
    return f'{value:.1f}' if value < 100 else f'{value:.0f}'


def spread(values):
    """'median (lowest to highest)' in microseconds, of the blocks' medians."""
    return f'{micro(median(values))} ({micro(min(values))}–{micro(max(values))})'


def ratio_spread(values):
    return f'{median(values):.2f} ({min(values):.2f}–{max(values):.2f})'


def machine_seconds():
    """CPU time that the machine has spent on anything, interrupts included."""
    ticks = [int(word) for word in open('/proc/stat', encoding='ascii').readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf('SC_CLK_TCK')  # idle, iowait


class Limit:
    """Something that must hold."""

    def __init__(self, what, found, limit, most=True):
        self.what, self.found, self.limit, self.most = what, found, limit, most

    @property
    def holds(self):
        return self.found <= self.limit if self.most else self.found >= self.limit

    @property
    def row(self):
        sign = 'at most' if self.most else 'at least'
        return [self.what, f'{self.found:.2f}', f'{sign} {self.limit:.2f}', 'pass' if self.holds else 'FAIL']


def limits_table(title, limits):
    return table(title, ['what', 'found', 'limit', ''], [limit.row for limit in limits])


def failures(limits):
    return [f'{limit.what}: {" ".join(limit.row[1:3])}' for limit in limits if not limit.holds]


def table(title, head, rows):
    """As Markdown that also reads well on a terminal."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ['| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |' for row in cells]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return f'\n**{title}**\n\n' + '\n'.join(lines) + '\n'
