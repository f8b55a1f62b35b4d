"""registrations.py NODE COUNT: registers one open file with epoll(7) COUNT times, then has it answer commands. Prints
the errno with which that ends, or "served" after 100 commands."""
import errno
import os
import resource
import select
import sys

GET_RANDOM = bytes.fromhex("80010000000c0000017b0008")
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
tpm = os.open(sys.argv[1], os.O_RDWR)
copies = [os.dup(tpm) for _ in range(min(2000, most // 2))]
registrations = []
while len(registrations) * len(copies) < int(sys.argv[2]):
    registration = select.epoll()
    for copy in copies:
        registration.register(copy, select.EPOLLIN | select.EPOLLET)
    registrations.append(registration)
try:
    for _ in range(100):
        os.write(tpm, GET_RANDOM)
        select.select([tpm], [], [])
        os.read(tpm, 4096)
    print("served")
except OSError as error:
    print(errno.errorcode[error.errno])
