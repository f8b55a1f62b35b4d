"""Clients that do anything: what they do follows from a seed alone, and not from what comes of it."""
import random

SLOTS = 3  # of objects, and of sessions, that an opener of the kernel's has; a fourth ends what can be compared
OPENERS = "abc"


class OpenerModel:
    def __init__(self):
        self.keys, self.sequences, self.sessions = [], [], {}

    @property
    def objects(self):
        return len(self.keys) + len(self.sequences)


class RandomClient:
    """One run of actions on openers that share nothing with those of another run. A model of what each holds keeps most
    actions sensible."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._openers = {}
        self._contexts = {}  # name: what was saved, an object's name or a session's
        self._saved = {}  # sessions that their clients have saved: name and kind
        self._names = 0
        self._nonblocking = set()

    def actions(self):
        for _ in range(self._random.randint(10, 80)):
            yield from self._step()

    def _step(self):
        missing = [who for who in OPENERS if who not in self._openers]
        if len(missing) == len(OPENERS) or missing and self._chance(0.1):
            who = self._random.choice(missing)
            self._openers[who] = OpenerModel()
            return [f"{who} open" + self._random.choice(["", " nonblock", " append"])]
        who = self._random.choice(sorted(self._openers))
        steps = [self._simple] * 3 + [self._object] * 6 + [self._session] * 6 + [self._use] * 12
        steps += [self._save, self._restore] * 3
        steps += [self._file] * 4 + [self._look] * 3 + [self._flush] * 3 + [self._close, self._wrong]
        return self._random.choice(steps)(who, self._openers[who]) or self._simple(who, None)

    def _simple(self, who, _):
        return [f"{who} do "
                + self._random.choice(["random 8", "random 40", "hash", "pcr", "testresult", "selftest", "startup",
                                       "properties 0x10e 1", self._junk()])]

    def _junk(self):
        """A command without handles, whose parameters are anything."""
        code = self._random.choice([0x17B, 0x17D, 0x17E, 0x181, 0x18A, 0x145F, 0x20000000])
        parameters = self._random.randbytes(self._random.randint(0, 12))
        return f"bytes 8001{10 + len(parameters):08x}{code:08x}{parameters.hex()}"

    def _object(self, who, opener):
        if opener.objects >= SLOTS and not self._chance(0.03):
            return None
        name = self._name("k")
        if self._chance(0.2):
            opener.sequences.append(name)
            return [f"{who} do sequence {name}"]
        opener.keys.append(name)
        return [f"{who} do create {name}" if self._chance(0.1)
                else f"{who} do load {name} {self._random.randint(1, 5)}"]

    def _session(self, who, opener):
        if len(opener.sessions) >= SLOTS and not self._chance(0.03):
            return None
        name, kind = self._name("s"), self._random.choice(["hmac", "policy", "trial"])
        opener.sessions[name] = kind
        return [f"{who} do session {name} {kind}"]

    def _use(self, who, opener):
        policies = [name for name, kind in opener.sessions.items() if kind != "hmac"]
        choices = []
        if opener.keys:
            choices += [self._use_key] * 3
        if opener.sequences:
            choices.append(self._use_sequence)
        if policies:
            choices += [lambda *_: [f"{who} do {self._random.choice(['digest', 'policy', 'restart'])} "
                                    f"{self._random.choice(policies)}"]] * 2
        return self._random.choice(choices)(who, opener) if choices else None

    def _use_key(self, who, opener):
        key = self._random.choice(opener.keys)
        hmacs = [name for name, kind in opener.sessions.items() if kind == "hmac"]
        if not hmacs or self._chance(0.6):
            return [f"{who} do {self._random.choice(['hmac', 'hmac', 'public', 'sign'])} {key}"]
        session = self._random.choice(hmacs)
        return [f"{who} do hmac {key} with {session}"]

    def _use_sequence(self, who, opener):
        name = self._random.choice(opener.sequences)
        if self._chance(0.6):
            return [f"{who} do update {name}"]
        opener.sequences.remove(name)
        return [f"{who} do complete {name}"]

    def _save(self, who, opener):
        held = opener.keys + opener.sequences + list(opener.sessions)
        if not held:
            return None
        what, context = self._random.choice(held), self._name("c")
        if what in opener.sessions:
            self._saved[what] = opener.sessions.pop(what)
        self._contexts[context] = what
        return [f"{who} do save {what} {context}"]

    def _restore(self, who, opener):
        if not self._contexts:
            return None
        context = self._random.choice(sorted(self._contexts))
        what = self._contexts[context]
        if what[0] == "s":
            if len(opener.sessions) >= SLOTS or what not in self._saved:
                return None
            name = self._name("s")
            opener.sessions[name] = self._saved.pop(what)
            del self._contexts[context]
            return [f"{who} do restore {context} {name}"]
        if opener.objects >= SLOTS:
            return None
        name = self._name("k")
        opener.keys.append(name)
        return [f"{who} do restore {context} {name}"]

    def _flush(self, who, opener):
        if self._saved and self._chance(0.1):  # anybody may, of the same user
            session = self._random.choice(sorted(self._saved))
            del self._saved[session]
            return [f"{who} do flush {session}"]
        kinds = [kind for kind in (opener.keys, opener.sequences, opener.sessions) if kind]
        if not kinds:
            return None
        kind = self._random.choice(kinds)
        name = self._random.choice(list(kind))
        if isinstance(kind, dict):
            del kind[name]
        else:
            kind.remove(name)
        return [f"{who} do flush {name}"]

    def _look(self, who, opener):
        lists = ["transient", "transient", "loaded", "persistent"]
        if not any(one.sessions for one in self._openers.values() if one is not opener):
            lists.append("saved")  # where the kernel has everybody's
        return [f"{who} do handles {self._random.choice(lists)}"]

    def _file(self, who, _):
        command = self._random.choice(["random 8", "hash", "pcr"])
        return self._random.choice([
            [f"{who} write {command}", f"{who} wait", f"{who} poll", f"{who} read"],
            [f"{who} write {command}", f"{who} wait", f"{who} write {command}", f"{who} read 10", f"{who} poll",
             f"{who} read"],
            [f"{who} write {command}", f"{who} wait", f"{who} read {self._random.randint(1, 12)}",
             f"{who} do random 16", f"{who} read"],
            [f"{who} cut {self._random.choice([1, 6, 9, 10, 11, 4097, 9000])} random 8", f"{who} read"],
            [f"{who} cut {self._random.choice([13, 60, 4096])} random 8", f"{who} wait", f"{who} read"],
            [f"{who} nonblock {self._random.choice(['on', 'off'])}", f"{who} poll", f"{who} read"],
        ])

    def _close(self, who, _):
        del self._openers[who]
        return [f"{who} close"]

    def _wrong(self, who, opener):
        """What the opener does not have."""
        others = [session for one in self._openers.values() if one is not opener for session in one.sessions]
        theirs = others + sorted(self._saved)
        choices = [f"{who} do digest 0x03000039", f"{who} do hmac 0x81000123", f"{who} do flush 0x02000039",
                   f"{who} do public 0x81000123"]
        choices += [f"{who} do digest {session}" for session in theirs]
        if opener.keys:
            choices += [f"{who} do hmac {opener.keys[0]} with {session}" for session in theirs]
        if self._chance(0.1):
            choices = [f"{who} do hmac 0x80000123",
                       f"{who} do flush 0x80000123"] + [f"{who} do flush {session}" for session in others]
        return [self._random.choice(choices)]

    def _name(self, kind):
        self._names += 1
        return f"{kind}{self._names}"

    def _chance(self, probability):
        return self._random.random() < probability
