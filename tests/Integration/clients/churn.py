"""churn.py TREE ROUNDS NAME: makes, changes, uses and removes domains, and opens the shared nodes, as fast as it can.

Other processes do the same to the same names, so some errors are right; any other one is printed and ends it with 1.
When the tree is gone it ends with 0.
"""
import errno
import os
import random
import sys

tree, rounds, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
GET_RANDOM = bytes.fromhex("80010000000c0000017b0008")
GONE = {errno.ENOTCONN, errno.ECONNABORTED}
own, shared = f"{tree}/domains/{name}", f"{tree}/domains/shared"


def transact(path):
    fd = os.open(path, os.O_RDWR)
    try:
        if random.random() < 0.2:
            os.write(fd, GET_RANDOM)
            if random.random() < 0.5:
                assert len(os.read(fd, 4096)) == 20
    finally:
        os.close(fd)


def echo(path, text):
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def attempt(operation, *arguments, expected=()):
    try:
        operation(*arguments)
    except OSError as error:
        if error.errno in GONE:
            sys.exit(0)
        if error.errno not in expected:
            sys.exit(f"{operation.__name__}{arguments}: {error}")


RACES = {errno.EEXIST, errno.ENOENT, errno.ENODEV, errno.ESTALE, errno.ENOTDIR}
for _ in range(rounds):
    attempt(os.mkdir, own)
    attempt(transact, f"{own}/rm0")
    attempt(os.chmod, f"{own}/rm0", random.choice([0o600, 0o640, 0o660]))
    attempt(os.chown, own, random.randrange(1000, 60000), -1)
    attempt(echo, f"{own}/objects.max", b"%d\n" % random.randrange(100))
    attempt(os.mkdir, shared, expected=RACES)
    attempt(transact, f"{shared}/rm0", expected=RACES)
    attempt(os.chmod, f"{shared}/rm0", random.choice([0o600, 0o640, 0o660]), expected=RACES)
    attempt(echo, f"{shared}/weight", b"5\n", expected=RACES)
    attempt(os.listdir, f"{tree}/domains")
    attempt(os.rmdir, shared, expected=RACES)
    attempt(transact, f"{tree}/rm0")
    attempt(os.chmod, f"{tree}/locality/3/rm0", random.choice([0o600, 0o640]))
    attempt(os.rmdir, own)
