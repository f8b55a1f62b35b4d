"""Bars as SVG: latency, and TPM commands per client command."""

from statistics import median
from xml.sax.saxutils import escape

WIDTH, LABELS, VALUES, BAR, GAP = 860, 320, 60, 12, 10
COLOURS = {'TpmFs': '#2a6fbb', 'tpm2-abrmd': '#d98032', 'tpm2-abrmd on a device node': '#e8b382',
           'kernel (computed)': '#8a8a8a',
           'C pass-through': '#6aa56a', 'straight to swtpm': '#b5b5b5'}


class Panel:
    """Groups of horizontal bars under a title, drawn from y downwards."""

    def __init__(self, title, groups, text):
        self.title, self.groups, self.text = title, groups, text

    def draw(self, y):
        scale = (WIDTH - LABELS - VALUES) / max(value for _, bars in self.groups for _, value in bars)
        lines = [f'<text x="0" y="{y + 14}" font-weight="bold">{escape(self.title)}</text>']
        y += 28
        for label, bars in self.groups:
            middle = y + BAR * len(bars) / 2 + 4
            lines.append(f'<text x="{LABELS - 8}" y="{middle:.0f}" text-anchor="end">{escape(label)}</text>')
            for name, value in bars:
                width = max(1, value * scale)
                lines.append(f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR - 1}" '
                             f'fill="{COLOURS[name]}"/>')
                lines.append(f'<text x="{LABELS + width + 4:.1f}" y="{y + BAR - 2}" '
                             f'font-size="10">{self.text(value)}</text>')
                y += BAR
            y += GAP
        return lines, y + GAP


def _latency(result):
    short = {'C pass-through, write answered before': 'C pass-through', 'C pass-through, write answered after': None}
    groups = {}
    for cell in result['pinned']['cells']:
        name = short.get(cell['site'], cell['site'])
        if name is not None:
            way = {'unix': 'file', 'file': 'file', 'epoll': 'epoll', 'tcti': 'tcti'}[cell['way']]
            groups.setdefault(way, []).append((name, median(block['percentiles'][0] for block in cell['blocks']) * 1e6))
    titles = {'file': 'blocking write and read', 'epoll': 'write, epoll, read', 'tcti': 'TCTI'}
    return [(titles[way], bars) for way, bars in groups.items()]


def _commands(result):
    names = ('TpmFs', 'tpm2-abrmd', 'kernel (computed)')
    return [(row['workload'],
             [(name, row['tpm_commands'][name]) for name in names if row['tpm_commands'].get(name) is not None])
            for row in result['rows']]


def draw(results):
    lines, y = [], 24
    for number, (name, colour) in enumerate(COLOURS.items()):
        x = number * 140
        lines.append(f'<rect x="{x}" y="4" width="10" height="10" fill="{colour}"/>'
                     f'<text x="{x + 14}" y="13" font-size="10">'
                      f'{escape(name.replace("tpm2-abrmd on a device", "abrmd on device"))}</text>')
    for panel in (Panel('GetRandom, all on one CPU: median, µs', _latency(results['latency']),
                        lambda value: f'{value:.0f}'),
                  Panel('TPM commands per client command', _commands(results['commands']),
                        lambda value: f'{value:.2f}')):
        drawn, y = panel.draw(y)
        lines += drawn
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n'
            + '<rect width="100%" height="100%" fill="white"/>\n' + '\n'.join(lines) + '\n</svg>\n')
