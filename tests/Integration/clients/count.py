"""count.py FILE FROM: writes one number after the other until the file cannot be written, and prints each that was
taken."""
import itertools
import sys

path, first = sys.argv[1], int(sys.argv[2])
for number in itertools.count(first):
    try:
        with open(path, "wb", buffering=0) as file:
            file.write(b"%d\n" % number)
    except OSError:
        break
    print(number, flush=True)
