"""The programs that take part: each is started here, in a folder of its own, and ended here."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

BENCH = Path(__file__).parent
BIN = BENCH / 'bin'
TPMFS = BENCH.parent / 'out' / 'tpmfs'
INSTALLED = BENCH.parent / 'out' / 'standalone' / 'tpmfs'
KEEPER = BENCH.parent / 'tests' / 'Integration' / 'clients' / 'keeper.py'
MIRROR_SIZE = 1 << 30  # of a mirror of TpmFs, in bytes
READY_IN = 120  # seconds, on a machine that is emulated and has other work


def build():
    BIN.mkdir(exist_ok=True)
    for name, libraries in (('client', ['-ltss2-tctildr']), ('passthrough', []), ('proxy', []), ('vtpm', [])):
        source, program = BENCH / 'native' / f'{name}.c', BIN / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source, *libraries], check=True)


def wait_for(condition, what):
    end = time.monotonic() + READY_IN
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f'{what} took more than {READY_IN} s')
        time.sleep(0.001)


def one_cpu():
    """Where all that is judged runs: whether a wake-up crosses CPUs changes a latency by several times, and is a matter
    of luck."""
    return {max(os.sched_getaffinity(0))}


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _refuse_mirror():
    """The kernel then gives a daemon no memory for its mirrors, and it serves without them."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIRROR_SIZE // 2, MIRROR_SIZE // 2))


class Process:
    """A program under way. Its output goes to a file in its folder."""

    def __init__(self, folder, name, command, environment=None, prepare=None, **pipes):
        def in_child():
            _die_with_parent()
            if prepare:
                prepare()

        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.folder = name, folder
        log = open(folder / f'{name}.log', 'ab')
        self.popen = subprocess.Popen(
            [str(word) for word in command], stdin=pipes.get('stdin', subprocess.DEVNULL),
            stdout=pipes.get('stdout', log), stderr=log,
            env={**os.environ, **(environment or {})}, text=True, bufsize=1, preexec_fn=in_child)
        log.close()

    @property
    def pid(self):
        return self.popen.pid

    def check(self):
        if self.popen.poll() is not None:
            raise RuntimeError(f'{self.name} ended with {self.popen.returncode}: '
                               + (self.folder / f'{self.name}.log').read_text()[-2000:])

    def wait_for(self, condition, what):
        def ready():
            self.check()
            return condition()
        wait_for(ready, what)

    def stop(self):
        self.popen.terminate()
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def pin(self, cpus):
        for task in os.listdir(f'/proc/{self.pid}/task'):
            os.sched_setaffinity(int(task), cpus)

    def cpu_seconds(self):
        """Of all its threads that live, in user and kernel mode."""
        total = 0
        for task in os.listdir(f'/proc/{self.pid}/task'):
            total += int(Path(f'/proc/{self.pid}/task/{task}/schedstat').read_text().split()[0])
        return total / 1e9

    def status(self, field):
        for line in Path(f'/proc/{self.pid}/status').read_text().splitlines():
            if line.startswith(field + ':'):
                return int(line.split()[1])
        raise KeyError(field)


class Talker(Process):
    """A program that answers each line with a line."""

    def __init__(self, folder, name, command):
        super().__init__(folder, name, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, line):
        self.popen.stdin.write(line + '\n')
        self.popen.stdin.flush()

    def receive(self):
        answer = self.popen.stdout.readline()
        if not answer:
            self.popen.wait()
            self.check()
        if answer.startswith('error'):
            raise RuntimeError(f'{self.name}: {answer.strip()}')
        return answer.rstrip('\n')

    def ask(self, line):
        self.send(line)
        return self.receive()


class Client(Talker):
    """native/client.c; see there for the lines. A user who is given is another one than root, in the group given."""

    def __init__(self, folder, user=None, group=None):
        become = [] if user is None else ['setpriv', f'--reuid={user}', f'--regid={group}', '--clear-groups']
        super().__init__(folder, 'client', [*become, BIN / 'client'])

    def open(self, number, kind, target):
        self.ask(f'open {number} {kind} {target}')

    def transact(self, number, command):
        return bytes.fromhex(self.ask(f'send {number} {command.hex()}'))

    def run(self, number, command):
        """The response, which must be success."""
        response = self.transact(number, command)
        code = int.from_bytes(response[6:10], 'big')
        if code == 0x922:  # TPM_RC_RETRY: swtpm's first answer to an authorization where nobody retries for the client.
            return self.run(number, command)
        if code:
            raise RuntimeError(f'{self.name}: response code 0x{code:x} to {command.hex()}')
        return response

    def handle(self, number, command):
        return int.from_bytes(self.run(number, command)[10:14], 'big')

    def loop(self, rounds, *steps):
        """Seconds of each round."""
        return [int(word) / 1e9 for word in self.ask(f'loop {rounds} ' + ' '.join(steps)).split()]

    def start_flood(self, seconds, commands):
        self.send(f'flood {seconds} ' + ' '.join(f'{number}:{command.hex()}' for number, command in commands.items()))

    def end_flood(self):
        """Seconds in all, commands of each connection, seconds of each command."""
        return self._end_flood()[:3]

    def pause_of_flood(self):
        """Ends a flood; the most seconds in which no answer came."""
        return self._end_flood()[3]

    def _end_flood(self):
        elapsed, counts, samples, pause = self.receive().split('|')
        return (int(elapsed) / 1e9, [int(word) for word in counts.split()],
                [int(word) / 1e9 for word in samples.split()], int(pause) / 1e9)


class Swtpm(Process):
    """twin: the state folder of another one, which has ended, that this one begins as a copy of, with the same seeds.
    """

    def __init__(self, folder, twin=None):
        self.socket = folder / 'swtpm'
        (folder / 'state').mkdir(parents=True)
        if twin:
            shutil.copy(twin / 'tpm2-00.permall', folder / 'state')
        super().__init__(folder, 'swtpm-server', [
            'swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={folder}/state', '--flags', 'not-need-init,startup-clear',
            '--server', f'type=unixio,path={self.socket}', '--ctrl', f'type=unixio,path={self.socket}.ctrl'])
        seeds = folder / 'state' / 'tpm2-00.permall'
        self.wait_for(lambda: self.socket.exists() and Path(f'{self.socket}.ctrl').exists() and seeds.exists(), 'swtpm')


class Counter(Talker):
    """What stands before a swtpm and counts its commands."""

    def counts(self):
        return {int(code, 16): int(count) for code, count in (word.split(':') for word in self.ask('counts').split())}


class Proxy(Counter):
    """native/proxy.c: counts, and delays."""

    def __init__(self, folder, swtpm):
        self.socket = folder / 'proxy'
        super().__init__(folder, 'proxy-server', [BIN / 'proxy', self.socket, swtpm.socket])
        self.receive()

    def delay(self, microseconds):
        for code, value in microseconds.items():
            self.ask(f'delay 0x{code:x} {value}')


class Vtpm(Counter):
    """native/vtpm.c: a TPM of the kernel's, its raw node and its managed one."""

    def __init__(self, folder, swtpm):
        super().__init__(folder, 'vtpm', [BIN / 'vtpm', swtpm.socket])
        number = self.receive()
        self.raw, self.managed = Path(f'/dev/tpm{number}'), Path(f'/dev/tpmrm{number}')
        self.wait_for(self.managed.exists, self.managed)


def unmount(path):
    subprocess.run(['umount', path], stderr=subprocess.DEVNULL, check=False)


class Passthrough(Process):
    """native/passthrough.c."""

    def __init__(self, folder, socket, when):
        self.mount = folder / 'mnt'
        self.node = self.mount / 'tpm0'
        self.mount.mkdir(parents=True)
        super().__init__(folder, 'passthrough', [BIN / 'passthrough', self.mount, socket, when])
        self.wait_for(lambda: os.path.ismount(self.mount), 'the pass-through')

    def stop(self):
        unmount(self.mount)
        super().stop()


class Grandchild(Process):
    """A program that another one of ours has started, and ends."""

    def __init__(self, parent, name):
        self.name, self.folder = name, parent.folder
        wanted = [int(entry) for entry in os.listdir('/proc') if entry.isdigit() and self._is(entry, parent.pid, name)]
        self.found, = wanted

    @staticmethod
    def _is(process, parent, name):
        try:
            stat = Path(f'/proc/{process}/stat').read_text()
        except OSError:  # it has ended
            return False
        return f'({name})' in stat and int(stat.rsplit(')', 1)[1].split()[1]) == parent

    @property
    def pid(self):
        return self.found


class Hog(Process):
    """A busy loop. It competes with everything in its scheduling group, which is that of the session (autogroup)."""

    def __init__(self, folder, is_apart):
        super().__init__(folder, 'hog', [*(['setsid'] if is_apart else []), 'sh', '-c', 'while :; do :; done'])


def _mount(folder, tpm, program, settings):
    """The command line of a daemon, whose folders are made."""
    (folder / 'mnt').mkdir(parents=True)
    config = folder / 'tpmfs.json'
    config.write_text(json.dumps(settings or {}))
    return [program, 'mount', folder / 'mnt', '--tpm', tpm, '--state-dir', folder / 'state', '--config', config]


class TpmFs(Process):
    """settings: more of the configuration than the defaults. A daemon that is not mirrored keeps nothing for the next
    one."""

    def __init__(self, folder, tpm, environment=None, program=TPMFS, settings=None, is_mirrored=True):
        self.mount = folder / 'mnt'
        self.node = self.mount / 'rm0'
        super().__init__(folder, 'tpmfs', _mount(folder, tpm, program, settings), environment,
                         None if is_mirrored else _refuse_mirror)
        self.wait_for(lambda: os.path.ismount(self.mount) and self.node.exists(), 'tpmfs')

    def has_mirror(self):
        return 'memfd:tpmfs-' in Path(f'/proc/{self.pid}/maps').read_text()

    def hand_over(self):
        """Replaces the daemon by the program that it was started from."""
        subprocess.run([self.popen.args[0], 'handover', '--mount', self.mount], check=True, stdout=subprocess.DEVNULL)


class KeptTpmFs(Talker):
    """TpmFs under a stand-in for systemd, which keeps its descriptors and starts it again when it is killed."""

    def __init__(self, folder, tpm, program):
        self.mount = folder / 'mnt'
        self.node = self.mount / 'rm0'
        super().__init__(folder, 'keeper', [
            '/usr/bin/python3', KEEPER, folder / 'notify', *_mount(folder, tpm, program, None)])
        self._await_ready()

    def kill(self):
        """Kills the daemon, and returns when the next one serves."""
        self.send('kill')
        self._await_ready()

    def stop(self):
        self.send('end')
        self.popen.wait(20)

    def _await_ready(self):
        while not self.receive().startswith('ready'):
            pass


class Bus(Process):
    """A D-Bus of our own, so that tpm2-abrmd meets nobody else's."""

    def __init__(self, folder):
        self.address = f'unix:path={folder}/bus'
        super().__init__(folder, 'dbus', ['dbus-daemon', '--session', '--nofork', f'--address={self.address}'])
        self.wait_for((folder / 'bus').exists, 'dbus-daemon')

    @staticmethod
    def tcti(name):
        """What leads clients to who has a name."""
        return f'tabrmd:bus_type=session,bus_name={name}'

    def has_owner(self, name):
        found = subprocess.run(
            ['dbus-send', f'--bus={self.address}', '--print-reply', '--dest=org.freedesktop.DBus',
             '/org/freedesktop/DBus', 'org.freedesktop.DBus.NameHasOwner', f'string:{name}'],
            capture_output=True, text=True, check=True)
        return 'boolean true' in found.stdout


class Abrmd(Process):
    """Debian's tpm2-abrmd, as many connections as it allows."""

    def __init__(self, folder, bus, tcti, name):
        self.tcti = bus.tcti(name)
        super().__init__(folder, 'abrmd', [
            shutil.which('tpm2-abrmd') or '/usr/sbin/tpm2-abrmd', '--session', '--allow-root', '--max-connections=100',
            f'--dbus-name={name}',
            f'--tcti={tcti}'], {'DBUS_SESSION_BUS_ADDRESS': bus.address})
        self.wait_for(lambda: bus.has_owner(name), 'tpm2-abrmd')
