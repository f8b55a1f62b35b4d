"""The ways to a TPM that are compared. Each has a swtpm of its own, so that all are up at the same time and take turns.
"""

import os
import subprocess
from pathlib import Path

from processes import TPMFS, Abrmd, Bus, Client, Grandchild, KeptTpmFs, Passthrough, Proxy, Swtpm, TpmFs, Vtpm


class Site:
    """A way to a TPM: what a client opens, and the programs that serve it, the manager first and swtpm last."""

    def __init__(self, name, servers, targets, proxy=None):
        self.name, self.servers, self.targets, self.proxy = name, servers, targets, proxy

    @property
    def manager(self):
        return self.servers[0]

    def open(self, client, number, kind):
        client.open(number, kind, self.targets[kind])

    def step(self, number, kind):
        """Opening, as a step of a loop."""
        return f'+{number}:{kind}:{self.targets[kind]}'

    def pin(self, cpus):
        for server in self.servers:
            server.pin(cpus)

    def cpu_seconds(self, servers):
        return sum(server.cpu_seconds() for server in servers)


class Sites:
    """Makes sites, and ends them all."""

    def __init__(self, folder):
        self.folder = folder
        self._running = []
        self._bus = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._running):
            process.stop()

    def start(self, process):
        self._running.append(process)
        return process

    def client(self, user=None, group=None):
        return self.start(Client(self.folder / 'clients', user, group))

    def stop(self, process):
        process.stop()
        self._running.remove(process)

    def swtpm(self, name, counted=False):
        """A TPM: its socket, and what serves it."""
        tpm = self.start(Swtpm(self.folder / name))
        if not counted:
            return tpm.socket, [tpm], None
        proxy = self.start(Proxy(self.folder / name, tpm))
        return proxy.socket, [proxy, tpm], proxy

    def direct(self, counted=False, name='direct'):
        socket, servers, proxy = self.swtpm(name, counted)
        return Site('straight to swtpm', servers, {'unix': socket, 'tcti': f'swtpm:path={socket}'}, proxy)

    def passthrough(self, when, name=None):
        """when: see native/passthrough.c."""
        name = name or f'passthrough-{when}'
        socket, servers, _ = self.swtpm(name)
        server = self.start(Passthrough(self.folder / name, socket, when))
        return Site('C pass-through', [server, *servers], _node_targets(server.node))

    def tpmfs(self, counted=False, name='tpmfs', environment=None, program=TPMFS, is_mirrored=True):
        socket, servers, proxy = self.swtpm(name, counted)
        server = self.start(TpmFs(self.folder / name, f'swtpm:path={socket}', environment, program,
                                  is_mirrored=is_mirrored))
        return Site('TpmFs', [server, *servers], _node_targets(server.node), proxy)

    def tpmfs_kept(self, name, program):
        """By what stands in for systemd."""
        socket, servers, _ = self.swtpm(name)
        server = self.start(KeptTpmFs(self.folder / name, f'swtpm:path={socket}', program))
        return Site('TpmFs', [server, *servers], _node_targets(server.node))

    def tpmfs_embedded(self, scheduling, name='TpmFs'):
        """With a swtpm of its own, as configured by 'scheduling'."""
        folder = self.folder / f'embedded-{len(self._running)}'
        server = self.start(TpmFs(folder, f'embedded:{folder}/tpm', settings={'scheduling': scheduling}))
        return Site(name, [server, Grandchild(server, 'swtpm')], _node_targets(server.node))

    def tpmfs_bus(self):
        """In the place of tpm2-abrmd, on the bus."""
        bus, name = self.bus(), 'bench.tpmfs'
        socket, servers, _ = self.swtpm('tpmfs-bus')
        server = self.start(TpmFs(self.folder / 'tpmfs-bus', f'swtpm:path={socket}',
                                  settings={'dbus': {'bus': 'session', 'name': name}}))
        server.wait_for(lambda: bus.has_owner(name), 'tpmfs on D-Bus')
        return Site('TpmFs', [server, *servers], {'tcti': bus.tcti(name)})

    def bus(self):
        """The one bus, which every program that is started from now on takes for the session's."""
        if self._bus is None:
            self._bus = self.start(Bus(self.folder / 'bus'))
            os.environ['DBUS_SESSION_BUS_ADDRESS'] = self._bus.address
        return self._bus

    def abrmd(self, counted=False, name='abrmd'):
        socket, servers, proxy = self.swtpm(name, counted)
        return self._abrmd('tpm2-abrmd', name, f'swtpm:path={socket}', servers, proxy)

    def abrmd_on_node(self):
        below = self.passthrough('before', 'node')
        return self._abrmd('tpm2-abrmd on a device node', 'abrmd-node', f'device:{below.manager.node}', below.servers,
                           None)

    def kernel_and_tpmfs(self, twin=None, device=None):
        """The kernel's manager, and TpmFs on the kernel's raw node: two TPMs of the kernel's with the same seeds, those
        of 'twin' if given. Then the same TpmFs by a character device, where one is named."""
        if twin is None:
            original = self.start(Swtpm(self.folder / 'original'))
            self.stop(original)
            twin = original.folder / 'state'
        tpms = [self.start(Swtpm(self.folder / name, twin)) for name in ('kernel', 'tpmfs')]
        kernel, below = (self.start(Vtpm(tpm.folder, tpm)) for tpm in tpms)
        if device:
            subprocess.run(['modprobe', 'cuse'], check=True)
        settings = {'devices': {device: 'rm0'}} if device else None
        server = self.start(TpmFs(self.folder / 'daemon', f'device:{below.raw}', settings=settings))
        raw = {'raw': server.node.with_name('raw0')}
        sites = [Site('/dev/tpmrm0', [kernel, tpms[0]], _node_targets(kernel.managed) | {'raw': kernel.raw}, kernel),
                 Site('TpmFs', [server, below, tpms[1]], _node_targets(server.node) | raw, below)]
        if device:
            path = Path('/dev') / device
            server.wait_for(path.exists, path)
            sites.append(Site('its device', [server, below, tpms[1]], _node_targets(path) | raw, below))
        return sites

    def _abrmd(self, name, folder, tcti, servers, proxy):
        server = self.start(Abrmd(self.folder / folder, self.bus(), tcti, 'bench.' + folder.replace('-', '')))
        return Site(name, [server, *servers], {'tcti': server.tcti}, proxy)


def _node_targets(node):
    return {'file': node, 'epoll': node, 'tcti': f'device:{node}'}
