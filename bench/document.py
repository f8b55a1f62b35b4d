"""Puts what was measured in its place in a document, between <!-- NAME --> and <!-- end of NAME -->."""

import re


def fill(path, name, text):
    old = path.read_text()
    new, found = re.subn(rf'(<!-- {name} -->\n).*?(<!-- end of {name} -->)',
                         lambda marks: f'{marks[1]}{text.rstrip()}\n\n{marks[2]}', old, flags=re.S)
    if found != 1:
        raise ValueError(f'{path} has {found} places for {name}')
    path.write_text(new)
