"""Medians and their spread; numbers and tables as text."""

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


def table(title, head, rows):
    """As Markdown that also reads well on a terminal."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ['| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |' for row in cells]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return f'\n**{title}**\n\n' + '\n'.join(lines) + '\n'
