# SPDX-License-Identifier: BSD-2-Clause
"""
play - reads a play and performs it.  t/README says how plays are written.
"""

import ast
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from vtlib import asf, client, peer, rtp, server, shortage
from vtlib.knock import Knock
from vtlib.net import Net, patience

TROUBLES = (client.Trouble, server.Trouble, rtp.Fault, asf.Fault)


class Failure(Exception):
    def __init__(self, line, text):
        super().__init__("line %d: %s" % (line, text))
        self.line, self.text = line, text


class Skip(Exception):
    """The machine lacks something."""


# --- reading ---------------------------------------------------------------


class Statement:
    def __init__(self, line, text):
        self.line, self.text = line, text
        self.more = []     # deeper lines: headers, body
        self.block = None  # statements within braces
        self.tail = ""     # behind the closing brace


def indent(line):
    line = line.expandtabs(8)
    return len(line) - len(line.lstrip())


def without_comment(line):
    """A comment begins with # at the beginning or behind a blank, outside
    quotes."""
    quoted = False
    for at, letter in enumerate(line):
        if letter == '"' and (at == 0 or line[at - 1] != "\\"):
            quoted = not quoted
        elif letter == "#" and not quoted and (
                at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line


def parse(text):
    lines = [(number, without_comment(line).rstrip())
             for number, line in enumerate(text.split("\n"), 1)]
    lines = [one for one in lines if one[1].strip()]
    found, at = parse_block(lines, 0, False)
    return found


def parse_block(lines, at, inner):
    found = []
    while at < len(lines):
        number, line = lines[at]
        text = line.strip()
        if text.startswith("}"):
            if not inner:
                raise Failure(number, "a } too many")
            return found, at
        statement = Statement(number, text)
        found.append(statement)
        one_line = re.fullmatch(r"([^{}]*[^${}])\{ (.*) \}( .*)?", text)
        if text.endswith(" {"):
            statement.text = text[:-2]
            statement.block, at = parse_block(lines, at + 1, True)
            if at == len(lines):
                raise Failure(number, "the { is not closed")
            statement.tail = lines[at][1].strip()[1:].strip()
            at += 1
            continue
        if one_line and text.split()[0] in ("server", "client", "peer"):
            statement.text = one_line.group(1).strip()
            statement.tail = (one_line.group(3) or "").strip()
            statement.block = [Statement(number, part.strip())
                               for part in one_line.group(2).split(";")]
            at += 1
            continue
        depth = indent(line)
        at += 1
        while at < len(lines) and indent(lines[at][1]) > depth:
            statement.more.append((lines[at][0], lines[at][1].strip()))
            at += 1
            line, last = statement.more[-1]
            if last.endswith(" {"):
                statement.more[-1] = (line, last[:-2])
                statement.block, at = parse_block(lines, at, True)
                if at == len(lines):
                    raise Failure(number, "the { is not closed")
                statement.tail = lines[at][1].strip()[1:].strip()
                at += 1
                break
    return found, at


def split(text):
    """Words; "..." is one, whatever is in it."""
    found = []
    for quoted, plain in re.findall(
            r'"((?:[^"\\]|\\.)*)"|((?:\$\{[^}]*\}|[^\s"])+)', text):
        found.append(quoted.replace('\\"', '"') if quoted else plain
                     ) if quoted or plain else found.append("")
    return found


def seconds(word):
    found = re.fullmatch(r"([0-9.]+)(us|ms|s|min)?", word)
    if found is None:
        raise ValueError("no time: " + word)
    return float(found.group(1)) * {
        "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, None: 1}[found.group(2)]


def unescape(text):
    """\\r \\n \\t \\0 \\\\ \\xHH, into bytes."""
    def one(found):
        word = found.group(1)
        if word[0] == "x":
            return chr(int(word[1:], 16))
        return {"r": "\r", "n": "\n", "t": "\t", "0": "\0"}.get(word, word)
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, text).encode("latin-1")


def arithmetic(text):
    """+ - * // % and brackets over whole numbers."""
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Expression, ast.BinOp, ast.UnaryOp,
                                 ast.Constant, ast.Add, ast.Sub, ast.Mult,
                                 ast.FloorDiv, ast.Mod, ast.USub)):
            raise ValueError("no arithmetic: " + text)
    return str(eval(compile(tree, "play", "eval"), {}))


OPERATORS = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "~": lambda a, b: re.search(b, str(a)) is not None,
    "!~": lambda a, b: re.search(b, str(a)) is None,
}


def holds(have, operator, want):
    if operator not in OPERATORS:
        raise ValueError("no operator: " + operator)
    if operator in ("~", "!~"):
        return OPERATORS[operator](have, want)
    try:
        return OPERATORS[operator](float(have), float(want))
    except (TypeError, ValueError):
        return OPERATORS[operator](str(have), want)


# --- performing ------------------------------------------------------------


class Play:
    def __init__(self, path, verbose, keep):
        self.path, self.verbose, self.keep = path, verbose, keep
        self.net = Net()
        self.started = time.monotonic()
        self.transcript = []
        self.transcript_lock = threading.Lock()
        self.folder = tempfile.mkdtemp(prefix="vtplay-")
        os.chmod(self.folder, 0o755)
        self.servers, self.clients, self.peers = {}, {}, {}
        self.variables = {
            "srcdir": os.environ.get("srcdir") or os.path.dirname(
                os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
        }
        self.variables["media"] = os.path.join(self.variables["srcdir"],
                                               "media")
        self.local = threading.local()  # loops' variables, per thread
        self.files = {}      # name -> asf.File, of made files
        self.disks = shortage.Disks()
        self.neighbours = {}  # they play on through all tests of the file
        self.test = ""
        self.passed = []

    def say(self, text):
        line = "%8.3f  %s" % (time.monotonic() - self.started, text)
        with self.transcript_lock:
            self.transcript.append(line)
        if self.verbose:
            try:
                print(line, flush=True)
            except BrokenPipeError:
                self.verbose = False

    # -- the whole --

    def run(self):
        """None, or a Failure; Skip is raised."""
        failure = None
        try:
            with open(self.path, encoding="utf-8") as source:
                statements = parse(source.read())
            self.top(statements)
            self.end_test()
            self.stop_servers(list(self.servers))
        except Failure as error:
            failure = error
        finally:
            self.end_all()
        return failure

    def end_all(self):
        for one in (list(self.clients.values()) + list(self.peers.values())
                    + list(self.neighbours.values())):
            one.end()
        for one in self.servers.values():
            if one.process is not None:
                one.kill(one.worker_pids(), "CONT")
            one.end()
        self.logs_kept = [(name, one.log())
                          for name, one in self.servers.items()]
        self.disks.end()

    def logs(self):
        return self.logs_kept

    def clean(self):
        if self.keep:
            print("kept: " + self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def end_test(self):
        """What must be true when a test is over; its clients end."""
        for one in self.clients.values():
            self.guard(self.last_line, lambda one=one: self.leftovers(one))
            one.end()
        self.clients = {}
        for one in self.peers.values():
            one.end()
            if one.error:
                raise Failure(self.last_line, "%s: %s" % (
                    one.name, one.error))
        self.peers = {}
        for one in self.neighbours.values():
            self.guard(self.last_line, lambda one=one: self.undisturbed(one))
        for one in self.servers.values():
            problem = one.crashed()
            if problem:
                raise Failure(self.last_line, problem)
        if self.test:
            self.passed.append(self.test)

    def leftovers(self, one):
        if one.garbage is not None and not one.ignore_replies:
            raise client.Trouble("%s: what came is no RTSP: %r" % (
                one.name, one.garbage))
        if len(one.replies) > one.taken and not one.ignore_replies:
            reply = one.replies[one.taken]
            raise client.Trouble("%s: a reply nobody waited for: %s" % (
                one.name, reply.start))
        if one.requests:
            raise client.Trouble("%s: a request from the server: %s" % (
                one.name, one.requests[0][0]))
        if one.strays:
            raise client.Trouble("%s: a frame on channel %d, where nothing "
                                 "was set up" % (one.name, one.strays[0]))
        for flow in one.flows:
            self.flow_faults(one, flow)

    def flow_faults(self, one, flow):
        if flow.faults:
            raise client.Trouble("%s: %s" % (flow.name, flow.faults[0]))
        if flow.watched is None:
            return
        replies, when = flow.watched
        for packet in flow.packets[-200:]:
            late = (packet.replies >= replies if flow.channels
                    else packet.arrival > when)
            if late:
                raise client.Trouble("%s: packet %d behind the answer that "
                                     "stopped it" % (
                                         flow.name, packet.sequence))

    def undisturbed(self, one):
        """A neighbour: it has all packets, no pause, and still gets more."""
        flows = one.carriers()
        self.rtp_count(one, flows, ["2", "more", "within", "3s"])
        self.leftovers(one)
        with self.net.lock:
            for flow in flows:
                flow.in_sequence()
                for a, b in zip(flow.packets, flow.packets[1:]):
                    media = (b.timestamp - a.timestamp) / 1000.0
                    if b.arrival - a.arrival - media > 1.0 * patience():
                        raise rtp.Fault("%s: a pause of %.1f s" % (
                            flow.name, b.arrival - a.arrival))

    def stop_servers(self, names):
        for name in names:
            self.guard(self.last_line, self.servers[name].stop)

    last_line = 0

    def guard(self, line, function):
        try:
            return function()
        except TROUBLES as trouble:
            raise Failure(line, str(trouble))

    # -- words --

    def expand(self, text, line=0):
        def one(found):
            name = found.group(1)
            times = re.fullmatch(r"(.+)\*(\d+)", name, re.S)
            if times and not times.group(1).strip().isdigit():
                return unescape(times.group(1)).decode("latin-1") * int(
                    times.group(2))
            value = self.value(name)
            if value is None:
                raise Failure(line, "what is ${%s}?" % name)
            return str(value)
        before = None
        while before != text and "${" in text:
            before, text = text, re.sub(r"\$\{([^{}]*)\}", one, text,
                                        flags=re.S)
        return text

    def locals(self):
        if not hasattr(self.local, "variables"):
            self.local.variables = {}
        return self.local.variables

    def value(self, name):
        if name in self.locals():
            return self.locals()[name]
        if name in self.variables:
            return self.variables[name]
        if re.fullmatch(r"[-+*/%() 0-9]+", name):
            return arithmetic(name)
        first, _, rest = name.partition(".")
        if first in self.servers:
            return self.server_value(self.servers[first], rest)
        if first in self.peers:
            one = self.peers[first]
            return {"url": one.url(), "port": one.port}.get(rest)
        if first in self.clients or re.fullmatch(r"[a-z]\w*", first) and (
                rest.startswith("port")):
            return self.client_value(self.client(first), rest)
        return None

    def server_value(self, one, rest):
        if rest.startswith("url"):
            return one.url(int(rest[3:] or 1) - 1)
        if rest.startswith("port"):
            return one.ports[int(rest[4:] or 1) - 1]
        return {"media": one.media, "instance": one.instance,
                "log": one.log_name, "config": one.config_name,
                "pid": one.process and one.process.pid}.get(rest)

    def client_value(self, one, rest):
        found = re.fullmatch(r"(ports?)(\d*)", rest)
        if found:
            pair = one.ports(int(found.group(2) or 1) - 1)
            port = pair.relay.port if pair.relay else pair.port
            return port if found.group(1) == "port" else "%d-%d" % (
                port, port + 1)
        found = re.fullmatch(r"stream\.(\d+)", rest)
        if found:
            for url, number in one.numbers.items():
                if number == int(found.group(1)):
                    return url
            return None
        if rest.startswith("header.") and one.reply is not None:
            return one.reply.get(rest[7:])
        if rest == "window":
            # Where each flow's window began: to come back to it.
            return " ".join(str(flow.first) for flow in one.flows)
        if rest == "received":
            return sum(len(flow.packets) for flow in one.flows)
        if rest == "received_bytes":
            return sum(packet.size for flow in one.flows
                       for packet in flow.packets)
        if rest == "rtx":
            return self.client_value(one, "stream.65536")
        if rest == "local":
            return "%s:%d" % one.local()[:2]
        if rest == "server_port":
            return one.server_port()
        if rest == "status" and one.reply:
            return one.reply.status
        if rest == "body" and one.reply:
            return one.reply.body
        return {"session": one.session, "base": one.base,
                "address": one.sock and one.local()[0],
                "strays": sum(p.strays for p in one.pairs) + len(
                    one.strays)}.get(rest)

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = client.Client(name, self.net, self.say)
        return self.clients[name]

    def server(self, name, line):
        if name not in self.servers:
            raise Failure(line, "no server " + name)
        return self.servers[name]

    def file(self, name, line):
        """A made file, or one of the media folder."""
        if name in self.files:
            return self.files[name]
        path = name if "/" in name else os.path.join(
            self.variables["media"], name)
        try:
            with open(path, "rb") as source:
                return asf.File(source.read())
        except OSError as error:
            raise Failure(line, str(error))

    # -- statements outside of client blocks --

    def top(self, statements):
        for one in statements:
            self.last_line = one.line
            words = split(one.text)
            name = "top_" + words[0].replace("-", "_")
            method = getattr(self, name, None)
            if method is None:
                raise Failure(one.line, "no such statement: " + words[0])
            try:
                if words[0] == "for" or words[0] == "repeat":
                    method(one, words, self.top)
                else:
                    method(one, [self.expand(w, one.line) for w in words])
            except TROUBLES as trouble:
                raise Failure(one.line, str(trouble))
            except (ValueError, IndexError) as error:
                raise Failure(one.line, "cannot read this: %s (%s)" % (
                    one.text, error))

    def top_neighbour(self, one, words):
        """neighbour NAME URL over udp|shared|tcp: plays through all tests
        that follow; whatever they do, it must not notice."""
        made = client.Client(words[1], self.net, self.say)
        self.connected(made, words[2])
        made.open(words[2], words[4], [], False)
        made.send("PLAY", made.base, "RTSP/1.0", [], None)
        made.expect(["200"])
        self.neighbours[words[1]] = made
        self.rtp_count(made, made.carriers(), ["at-least", "1", "within", "3s"])

    def top_end_neighbours(self, one, words):
        for made in self.neighbours.values():
            self.undisturbed(made)
            made.end()
        self.neighbours = {}

    def top_note(self, one, words):
        """note TEXT: into the dialogue"""
        self.say("* " + " ".join(words[1:]))

    def top_slow(self, one, words):
        """Marks the play; the tester runs it like any other."""

    def top_test(self, one, words):
        if self.test:
            self.end_test()
        self.test = words[1]
        self.say("--- " + self.test)

    def small(self, path, size):
        try:
            self.disks.mount(path, shortage.size_of(size))
        except shortage.Forbidden as reason:
            raise Skip("no small disk can be mounted here: %s" % reason)

    def top_small(self, one, words):
        """small PATH SIZE: so much room there, for this play only"""
        self.small(words[1], words[2])

    def top_fill(self, one, words):
        """fill PATH [leaving SIZE]"""
        self.disks.fill(words[1], shortage.size_of(
            words[3] if len(words) > 3 else "0"))

    def top_empty(self, one, words):
        """empty PATH: there is room again"""
        self.disks.empty(words[1])

    def top_limit(self, one, words):
        """limit s1 workers|master RESOURCE +N|off: so much more than now"""
        made = self.server(words[1], one.line)
        pids = made.worker_pids() if words[2] == "workers" else [
            made.process.pid]
        more = None if words[4] == "off" else shortage.size_of(
            words[4].lstrip("+"))
        try:
            for pid in pids:
                shortage.limit(pid, words[3], more)
        except shortage.Forbidden as reason:
            raise Skip("no limits can be set here: %s" % reason)

    def top_needs(self, one, words):
        if words[1] == "ipv6":
            try:
                server.free_port("::1")
            except OSError:
                raise Skip("no IPv6 here")
        elif words[1] == "root":
            if os.geteuid() != 0:
                raise Skip("not root")
        elif words[1] == "plain":
            if server.sanitized():
                raise Skip("a build with sanitizers")
        elif server.program(words[1]) is None:
            raise Skip("no program " + words[1])

    def top_let(self, one, words):
        value = " ".join(words[3:])
        if re.fullmatch(r"[-+*/%() 0-9]+ [-+*/%]+ [-+*/%() 0-9]+", value):
            value = arithmetic(value)
        self.variables[words[1]] = value

    def top_for(self, one, words, perform):
        """for a,b in 1,2 3,4 { ... } [at once]"""
        names = words[1].split(",")
        jobs = []
        values = [self.expand(word, one.line) for word in words[3:]]
        for line, text in one.more:
            values += [self.expand(w, line) for w in split(text)]
        for value in values:
            span = re.fullmatch(r"(\d+)\.\.(\d+)", value)
            items = [value] if not span else [
                str(i) for i in range(int(span.group(1)),
                                      int(span.group(2)) + 1)]
            for item in items:
                parts = item.split(",") if len(names) > 1 else [item]
                def job(parts=parts, item=item):
                    self.locals().update(zip(names, parts))
                    try:
                        perform(one.block)
                    except Failure as failure:
                        raise Failure(failure.line, "%s (with %s=%s)" % (
                            failure.text, words[1], item))
                jobs.append(job)
                if one.tail != "at once":
                    jobs.pop()()
        self.at_once(jobs)

    def top_media_files(self, one, words):
        """media-files { ... }: for each ${name} in the media folder"""
        names = sorted(name for name in os.listdir(self.variables["media"])
                       if name.endswith((".wmv", ".wma", ".asf")))
        if not names:
            raise Failure(one.line, "no files in the media folder")
        for name in names:
            self.locals()["name"] = name
            self.top(one.block)

    def top_repeat(self, one, words, perform):
        for i in range(int(self.expand(words[1], one.line))):
            self.locals()["i"] = str(i)
            perform(one.block)

    def top_when(self, one, words):
        """when A OP B { ... }"""
        if holds(words[1], words[2], words[3]):
            self.top(one.block)

    def top_end_test(self, one, words):
        """Clients and peers end here, not only with the test."""
        self.end_test()

    def top_parallel(self, one, words):
        self.at_once([lambda statement=statement: self.top([statement])
                      for statement in one.block])

    def at_once(self, jobs):
        """All of them side by side; the first failure is raised."""
        failures, inherited = [], dict(self.locals())

        def act(job):
            self.locals().update(inherited)
            try:
                job()
            except Failure as failure:
                failures.append(failure)
            except Exception as error:
                failures.append(Failure(self.last_line, repr(error)))
        threads = [threading.Thread(target=act, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def top_fails(self, one, words):
        """The block must fail; with ~ REGEX, in these words."""
        try:
            self.top(one.block)
            self.end_test()
        except Failure as failure:
            for each in list(self.clients.values()) + list(
                    self.peers.values()):
                each.end()
            self.clients, self.peers = {}, {}
            tail = split(self.expand(one.tail, one.line))
            if tail[:1] == ["~"] and not re.search(tail[1], failure.text):
                raise Failure(one.line, "failed otherwise: %s" % failure)
            return
        raise Failure(one.line, "this should have failed")

    def top_check(self, one, words):
        asf.check()

    # servers

    def top_server(self, one, words):
        made = self.servers.get(words[1])
        if made is None or made.process is None and one.block is not None:
            if made is None:
                made = server.Server(words[1], self.folder, self.say)
                self.servers[words[1]] = made
        for step in one.block or []:
            self.server_step(made, step)
        tail = split(self.expand(one.tail, one.line)) or words[2:]
        if tail[0] == "start":
            if server.program("vodd") is None:
                raise Failure(one.line, "vodd is not built: set "
                              "VODD_BUILDDIR to where it is")
            made.start()
        elif tail[0] == "refused":
            status = made.refused()
            self.check_tail(tail[1:], status, made.log())
        elif tail[0] == "stop":
            made.stop()
        else:
            raise ValueError(tail[0])

    def server_step(self, made, step):
        words = [self.expand(w, step.line) for w in split(step.text)]
        if words[0] == "workers":
            made.workers = words[1]
        elif words[0] == "media":
            made.media = words[1]
        elif words[0] == "copy":
            path = words[1] if "/" in words[1] else os.path.join(
                self.variables["media"], words[1])
            with open(path, "rb") as source:
                data = source.read()
            name = words[2] if len(words) > 2 else os.path.basename(path)
            made.write_media(name, data)
            self.files[name] = asf.File(data)
        elif words[0] == "file":
            self.make_file(made, words[1], words[2:])
        elif words[0] == "bytes":
            made.write_media(words[1], unescape(words[2]))
        elif words[0] == "listen":
            made.listen = words[1:]
        elif words[0] == "port":
            made.ports = [int(words[1])]
        elif words[0] == "instance":
            made.instance = words[1]
        elif words[0] == "set":
            made.settings.append((words[1], " ".join(words[2:])))
        elif words[0] == "config":
            made.config = [self.expand(text, line)
                           for line, text in step.more]
        elif words[0] == "by-file":
            made.by_file = True
        elif words[0] == "program":
            made.copy_program(*words[1:])
        elif words[0] == "argument":
            made.arguments += words[1:]
        elif words[0] == "log-disk":
            made.log_name = os.path.join(self.folder, made.name + ".disk", "log")
            os.mkdir(os.path.dirname(made.log_name))
            self.small(os.path.dirname(made.log_name), words[1])
        else:
            raise ValueError(words[0])

    def make_file(self, made, name, words):
        options = asf.Options()
        cut = damage = None
        for key, value in zip(words[::2], words[1::2]):
            if key == "cut":
                cut = int(value)
            elif key == "damage":
                damage = value
            elif not hasattr(options, key):
                raise ValueError(key)
            elif isinstance(getattr(options, key), bool):
                setattr(options, key, value in ("yes", "true"))
            elif key in ("title", "streams"):
                setattr(options, key, value)
            else:
                setattr(options, key, type(getattr(options, key) or 0)(
                    float(value)))
        data = asf.make(options)
        if damage is not None:
            # OFFSET:HEX[,...]; a negative offset counts from the Data Object
            for one in damage.split(","):
                at, new = one.split(":")
                at = int(at)
                if at < 0:
                    at += data.index(asf.DATA)
                new = bytes.fromhex(new)
                data = data[:at] + new + data[at + len(new):]
        if cut is not None:
            data = data[:cut]
        if made is not None:
            made.write_media(name, data)
        try:
            self.files[name] = asf.File(data)
        except (asf.Fault, ArithmeticError, LookupError, ValueError,
                asf.struct.error):
            self.files.pop(name, None)

    def top_file(self, one, words):
        """file s1 make|truncate|rename|delete|mkfifo|link|mkdir|mode ..."""
        if words[1] == "make":
            self.make_file(None, words[2], words[3:])
            return
        made = self.server(words[1], one.line)
        what, name = words[2], words[3]
        path = made.media_path(name)
        if what == "make":
            self.make_file(made, name, words[4:])
        elif what == "truncate":
            os.truncate(path, int(words[4]))
        elif what == "rename":
            os.rename(path, made.media_path(words[4]))
        elif what == "delete":
            os.unlink(path)
        elif what == "mkfifo":
            os.mkfifo(path)
        elif what == "mkdir":
            os.makedirs(path)
        elif what == "link":
            os.symlink(words[4], path)
        elif what == "mode":
            os.chmod(path, int(words[4], 8))
        else:
            raise ValueError(what)

    def top_config(self, one, words):
        made = self.server(words[1], one.line)
        made.config = [self.expand(text, line) for line, text in one.more]
        made.write_config()

    def check_tail(self, words, status, text):
        """[exit N] [~ REGEX]... [!~ REGEX]... about a program's end."""
        at = 0
        while at < len(words):
            if words[at] == "exit":
                if str(status) not in words[at + 1].split("|"):
                    raise server.Trouble("exit status %s: %s" % (
                        status, text.strip()[-400:]))
            elif words[at] in ("~", "!~"):
                if not holds(text, words[at], words[at + 1]):
                    raise server.Trouble("%s %s: it said: %s" % (
                        words[at], words[at + 1], text.strip()[-600:]))
            else:
                raise ValueError(words[at])
            at += 2

    def top_run(self, one, words):
        """run PROGRAM ARGUMENTS -> exit N ~ REGEX"""
        at = words.index("->") if "->" in words else len(words)
        found = server.program(words[1])
        if found is None:
            raise server.Trouble(words[1] + " is not built")
        self.run_program([found] + words[2:at], words[at + 1:])

    def run_program(self, command, tail):
        self.say("run " + " ".join(command))
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=30 * patience())
        text = done.stdout + done.stderr
        for line in text.splitlines():
            self.say("  " + line)
        if "exit" not in tail:
            tail = ["exit", "0"] + tail
        self.check_tail(tail, done.returncode, text)

    def top_reload(self, one, words):
        """reload|upgrade s1 [-> exit N ~ REGEX]; deeper lines: its file anew.
        The workers may be others then."""
        made = self.server(words[1], one.line)
        if one.more:
            self.top_config(one, words)
        made.pids = []
        self.run_program([server.program("vodd"), "-n", made.instance,
                          "-s", words[0]], words[3:])
        if made.running():
            made.pids = made.settle()

    top_upgrade = top_reload

    def top_program(self, one, words):
        """program s1 again|missing|script TEXT, in place of its own copy"""
        made = self.server(words[1], one.line)
        if words[2] == "again":
            made.copy_program()
        elif words[2] == "missing":
            made.remove_program()
        elif words[2] == "script":
            made.script_program(words[3])
        else:
            raise ValueError(words[2])

    def top_knock(self, one, words):
        """knock s1 N a second [at HOST or refused] { }: meanwhile so many new
        connections, and each of them is answered"""
        made = self.server(words[1], one.line)
        host = words[words.index("at") + 1] if "at" in words else (
            made.listen[0])
        knock = Knock((host, made.ports[0]), float(words[2]),
                      "refused" in words)
        try:
            self.top(one.block)
        finally:
            knock.end()
        self.say("%s: %d connections answered, the slowest within %.0f ms" % (
            made.name, knock.answered, knock.slowest * 1000))
        if knock.fault():
            raise server.Trouble(knock.fault())

    def top_kill(self, one, words):
        """kill s1 worker-of c1|workers|master with SIGNAL"""
        made = self.server(words[1], one.line)
        name = words[words.index("with") + 1]
        if words[2] == "worker-of":
            pids = [made.worker_of(self.client(words[3]))]
        elif words[2] == "workers":
            pids = made.worker_pids()
        elif words[2] == "master":
            pids = [made.process.pid]
        else:
            raise ValueError(words[2])
        self.variables["killed"] = " ".join(str(pid) for pid in pids)
        if words[2] == "master" and name in ("KILL", "TERM", "QUIT"):
            made.pids = []
            self.variables["killed"] = " ".join(
                str(pid) for pid in made.worker_pids())
        made.kill(pids, name)
        if words[2] == "master" and name == "KILL":
            made.orphans = [int(pid) for pid in
                            self.variables["killed"].split()]
            made.process.wait()
            made.process = None

    def top_orphans(self, one, words):
        """orphans s1: its master is about to leave its workers behind"""
        made = self.server(words[1], one.line)
        made.orphans, made.pids = made.worker_pids(), []
        self.variables["killed"] = " ".join(str(pid) for pid in made.orphans)

    def top_stall(self, one, words):
        """stall s1 workers for T: they stand still that long"""
        made = self.server(words[1], one.line)
        pids = made.worker_pids()
        made.kill(pids, "STOP")
        try:
            self.net.pass_time(seconds(words[4]))
        finally:
            made.kill(pids, "CONT")

    def top_pass(self, one, words):
        """pass T: what must not happen meanwhile is asked behind it"""
        self.net.pass_time(seconds(words[1]))

    def top_settle(self, one, words):
        """settle s1: its workers may have been replaced, rightly"""
        made = self.server(words[1], one.line)
        made.pids = made.settle()

    def top_expect_death(self, one, words):
        """expect-death s1: its workers may die from now on, by its hand"""
        made = self.server(words[1], one.line)
        made.pids = []

    def top_gone(self, one, words):
        """gone within S: the processes that were killed, and a killed
        master's workers"""
        pids = [int(word) for word in self.variables["killed"].split()]
        self.until(lambda: all(server.state_of(pid) in (None, "Z")
                               for pid in pids),
                   seconds(words[2]), lambda: "still there: %s" % pids)
        for made in self.servers.values():
            made.orphans = [pid for pid in made.orphans if pid not in pids]

    def top_replaced(self, one, words):
        """replaced s1 within S: the workers are as many as before, others."""
        made = self.server(words[1], one.line)
        dead = {int(word) for word in self.variables["killed"].split()}
        count = int(made.workers or os.cpu_count())

        def there():
            now = made.worker_pids()
            return len(now) == count and not dead & set(now)
        self.until(there, seconds(words[3]),
                   lambda: "workers: %s" % made.worker_pids())
        made.pids = made.settle()

    def top_spares(self, one, words):
        """spares s1 within S: each worker has one, who waits for its death."""
        made = self.server(words[1], one.line)
        self.until(lambda: len(made.spare_pids()) == len(made.worker_pids()),
                   seconds(words[3]),
                   lambda: "spares: %s" % made.spare_pids())

    def top_ends(self, one, words):
        """ends s1 within S exit N: the master ends by itself."""
        made = self.server(words[1], one.line)
        status = made.wait_end(seconds(words[3]))
        self.check_tail(words[4:], status, made.log())

    def until(self, true, bound, tell):
        """Poll TRUE; for what is no event of ours."""
        end = time.monotonic() + bound * patience()
        while not true():
            if time.monotonic() > end:
                raise server.Trouble("not within %g s: %s" % (bound, tell()))
            time.sleep(0.02)

    def top_table(self, one, words):
        """table s1 expect PATH OP VALUE, ... [within S]"""
        made = self.server(words[1], one.line)
        text = one.text.split(None, 3)[3]
        bound = 0.0
        found = re.fullmatch(r"(.*?)\s+within\s+(\S+)", text)
        if found:
            text, bound = found.group(1), seconds(found.group(2))
        conditions = []
        for part in text.split(","):
            items = [self.expand(w, one.line) for w in split(part)]
            conditions.append((items[0], items[1], " ".join(items[2:])))
        options = ["--sessions"] if "session_list" in text else []
        told = {}

        def true():
            told["json"] = made.stat(options)
            return all(holds(self.at_path(told["json"], path), operator, want)
                       for path, operator, want in conditions)

        def tell():
            return "; ".join("%s is %s" % (
                path, self.at_path(told["json"], path))
                for path, _, _ in conditions)
        self.until(true, bound, tell)

    def at_path(self, value, path):
        """a.b, a[0].b, a[#]: how many; `playing` is a state of sessions."""
        if path in ("init", "ready", "playing", "paused"):
            path = "sessions_by_state." + path
        for name, index in re.findall(r"(\w+)|\[(\d+|#)\]", path):
            try:
                if name:
                    value = value[name]
                elif index == "#":
                    value = len(value)
                else:
                    value = value[int(index)]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def top_log(self, one, words):
        """log s1 expect [N lines] ~ REGEX [within S]; log s1 none ~ REGEX;
        log s1 well-formed"""
        made = self.server(words[1], one.line)
        if words[2] == "well-formed":
            for line in made.log().split("\n")[:-1]:
                if not re.fullmatch(
                        r"(error|warning|info|debug) [a-z]+: [ -~]+", line):
                    raise server.Trouble("a line of the log: %r" % line)
            return
        bound = 2.0
        if "within" in words:
            bound = seconds(words[words.index("within") + 1])
        pattern = words[words.index("~") + 1]

        def count():
            return sum(1 for line in made.log().splitlines()
                       if re.search(pattern, line))
        if words[2] == "none":
            if count():
                raise server.Trouble("the log has %s" % pattern)
        elif words[3] == "~":
            self.until(lambda: count() > 0, bound, lambda: "no line %s" %
                       pattern)
        else:
            want = int(words[3])
            self.until(lambda: count() >= want, bound,
                       lambda: "%d lines %s" % (count(), pattern))
            if count() != want:
                raise server.Trouble("%d lines %s" % (count(), pattern))

    def top_resources(self, one, words):
        """resources s1 remember; resources s1 returned within S"""
        made = self.server(words[1], one.line)
        if words[2] == "remember":
            made.await_spares()
            made.remembered = made.descriptors()
        elif words[2] == "returned":
            # Fewer is no leak: what a spare was made with was still open.
            def returned():
                now, before = made.descriptors(), made.remembered
                return len(now) == len(before) and all(
                    one <= other for one, other in zip(now, before))
            self.until(returned,
                       seconds(words[4]), lambda: "descriptors %s, were %s" % (
                           made.descriptors(), made.remembered))
        elif words[2] == "memory":
            self.variables["memory"] = str(made.memory())
        elif words[2] == "grew":
            grown = made.memory() - int(self.variables["memory"])
            if grown > int(words[4]) and not server.sanitized():
                raise server.Trouble("grew by %d KiB" % grown)
        else:
            raise ValueError(words[2])

    # peers

    def top_peer(self, one, words):
        made = peer.Peer(words[1], self.say)
        self.peers[words[1]] = made
        steps = []
        block = []
        for step in one.block:
            items = split(step.text)
            if items[0] == "repeat":
                block += step.block * int(self.expand(items[1], one.line))
            else:
                block.append(step)
        for step in block:
            items = split(step.text)
            headers, body = self.headers(step)
            steps.append(lambda items=items, headers=headers, body=body,
                         line=step.line: self.peer_step(
                             made, [self.expand(w, line) for w in items],
                             headers, body))
        inherited = dict(self.locals())
        made.start([lambda: self.locals().update(inherited)] + steps)

    def peer_step(self, made, words, headers, body):
        if words[0] == "read":
            made.read()
        elif words[0] == "reply":
            made.reply(words[1], headers, body)
        elif words[0] == "raw":
            made.raw(unescape(words[1]))
        elif words[0] == "frame":
            made.put(words[1], unescape(words[2]))
        elif words[0] == "bye":
            made.bye(words[1])
        elif words[0] == "wait":
            self.net.pass_time(seconds(words[1]))
        elif words[0] == "close":
            made.sock.close()
        elif words[0] == "packets":
            words = " ".join(words).split()
            made.packets(words[1], self.file(words[2], 0), int(words[3]),
                         int(words[4]), dict(zip(words[5::2], words[6::2])))
        else:
            raise ValueError(words[0])

    # -- client blocks --

    def headers(self, one):
        headers, body = [], None
        for line, text in one.more:
            if text.startswith("|"):
                body = (body or b"") + unescape(
                    self.expand(text[1:].strip(), line))
                continue
            name, colon, value = re.match(
                r"((?:\$\{[^}]*\}|[^:$])*)(:?)(.*)", text).groups()
            if not colon:
                raise Failure(line, "no header: " + text)
            headers.append((self.expand(name, line),
                            self.expand(value.strip(), line)))
        return headers, body

    def top_client(self, one, words):
        self.perform(self.client(words[1]), one.block)

    def perform(self, made, statements):
        for one in statements:
            words = split(one.text)
            self.last_line = one.line
            if words[0] == "for":
                self.top_for(one, words, lambda b: self.perform(made, b))
                continue
            if words[0] == "repeat":
                self.top_repeat(one, words, lambda b: self.perform(made, b))
                continue
            method = getattr(self, "do_" + words[0].replace("-", "_"), None)
            if method is None:
                raise Failure(one.line, "no such statement: " + words[0])
            try:
                # Headers and patterns are expanded where they are used.
                with_values = [self.expand(w, one.line) for w in words]
                method(made, one, with_values)
            except TROUBLES as trouble:
                raise Failure(one.line, str(trouble))
            except (ValueError, IndexError, SyntaxError) as error:
                raise Failure(one.line, "cannot read this: %s (%s)" % (
                    one.text, error))
            except OSError as error:
                raise Failure(one.line, str(error))

    def connected(self, made, url):
        """A connection for URL, if there is none."""
        if made.sock is not None:
            return
        found = re.match(r"rtsp://(?:\[([^\]]*)\]|([^:/]*)):(\d+)", url or "")
        if found and any(int(found.group(3)) in one.ports
                         for one in self.servers.values()):
            made.connect(found.group(1) or found.group(2),
                         int(found.group(3)))
        elif found and not self.servers and not self.peers:
            # one that a script has started
            made.connect(found.group(1) or found.group(2),
                         int(found.group(3)))
        elif found and any(one.port == int(found.group(3))
                           for one in self.peers.values()):
            made.connect("127.0.0.1", int(found.group(3)))
        elif self.servers:
            one = list(self.servers.values())[-1]
            made.connect(one.listen[0], one.ports[0])
        else:
            one = list(self.peers.values())[-1]
            made.connect("127.0.0.1", one.port)

    def do_connect(self, made, one, words):
        """connect [s1 [LISTENER]] [from ADDRESS] [buffer BYTES]"""
        options = words[1:]
        made.close()
        if "from" in options:
            made.source = options[options.index("from") + 1]
        if "buffer" in options:
            made.receive_buffer = int(options[options.index("buffer") + 1])
        if options and options[0] in self.servers:
            target = self.servers[options[0]]
            at = int(options[1]) - 1 if options[1:] and options[
                1].isdigit() else 0
            made.connect(target.listen[at], target.ports[at])
        else:
            self.connected(made, None)

    def do_send(self, made, one, words):
        headers, body = self.headers(one)
        url = words[2] if len(words) > 2 else ""
        self.connected(made, url)
        made.send(words[1], url, words[3] if len(words) > 3 else "RTSP/1.0",
                  headers, body)

    def do_send_raw(self, made, one, words):
        """send-raw TEXT [times N]"""
        self.connected(made, None)
        data = unescape(words[1])
        for word, line in [(t, l) for l, t in one.more]:
            for part in split(word):
                data += unescape(self.expand(part, line))
        if "times" in words:
            data *= int(words[words.index("times") + 1])
        shown = repr(data[:200])[2:-1]
        made.say("%s > raw %s%s" % (
            made.name, shown, " ... (%d bytes)" % len(data)
            if len(data) > 200 else ""))
        made.write(data)

    def do_send_frame(self, made, one, words):
        """send-frame CHANNEL [BYTES]"""
        self.connected(made, None)
        data = unescape(words[2]) if len(words) > 2 else b""
        made.write(b"$" + bytes([int(words[1])])
                   + len(data).to_bytes(2, "big") + data)

    def do_cut(self, made, one, words):
        """cut every-byte | at N | behind N (the rest is not sent) | off"""
        if words[1] == "at":
            made.cut = int(words[2])
        elif words[1] == "behind":
            made.cut = -int(words[2])
        else:
            made.cut = None if words[1] == "off" else words[1]

    def do_expect(self, made, one, words):
        what = words[1]
        if re.fullmatch(r"[1-5]\d\d(\|[1-5]\d\d)*", what):
            made.expect(what.split("|"),
                        words[3] if words[2:3] == ["~"] else None,
                        words[2:4] == ["any", "CSeq"])
        elif what == "header":
            self.expect_header(made, words)
        elif what == "no" and words[2] == "header":
            if made.reply.get(words[3]) is not None:
                raise client.Trouble("%s: %s" % (
                    words[3], made.reply.get(words[3])))
        elif what == "no" and words[2] == "reply":
            if self.net.pass_time(seconds(words[4]),
                                  lambda: len(made.replies) > made.taken):
                raise client.Trouble("a reply: " + made.replies[
                    made.taken].start)
        elif what == "body":
            if not holds(made.reply.body, words[2], words[3]):
                raise client.Trouble("the body: " + made.reply.body[:500])
        elif what == "sdp":
            self.expect_sdp(made, words, one.line)
        else:
            raise ValueError(what)

    def expect_header(self, made, words):
        have = made.reply.all(words[2])
        if len(have) != 1:
            raise client.Trouble("%d lines %s" % (len(have), words[2]))
        if not holds(have[0], words[3], words[4]):
            raise client.Trouble("%s: %s" % (words[2], have[0]))

    def expect_sdp(self, made, words, line):
        """expect sdp session|all|N [N lines] ~ REGEX; expect sdp media N;
        expect sdp header FILE"""
        if words[2] == "media":
            count = sum(1 for one in made.sdp if one.startswith("m="))
            if count != int(words[3]):
                raise client.Trouble("%d lines m=" % count)
            return
        if words[2] == "header":
            self.sdp_header(made.sdp_asf_header(), self.file(words[3], line))
            return
        lines = made.sdp_part(words[2])
        operator = "!~" if "!~" in words else "~"
        pattern = words[words.index(operator) + 1]
        count = sum(1 for one in lines if re.search(pattern, one))
        if operator == "!~" and count:
            raise client.Trouble("a line of the SDP has " + pattern)
        if operator == "~" and not count:
            raise client.Trouble("no line of the SDP has " + pattern)
        if "lines" in words and count != int(words[3]):
            raise client.Trouble("%d lines have %s" % (count, pattern))

    def sdp_header(self, data, file):
        """Points 3 to 5 of what clients need, and that it is this file's."""
        if len(data) > 12249:
            raise client.Trouble("ASF header of %d bytes" % len(data))
        size = int.from_bytes(data[16:24], "little")
        if data[:16] != asf.HEADER or size != len(data) - 50:
            raise client.Trouble("header object: %d of %d bytes" % (
                size, len(data) - 50))
        head = data[size:]
        if head[:16] != asf.DATA or int.from_bytes(
                head[16:24], "little") != 50:
            raise client.Trouble("data object: %s" % head[:24].hex())
        if head[24:40] != file.data_head[24:40]:
            raise client.Trouble("another file id: %s" % head[24:40].hex())
        at = data.index(asf.FILE_PROPERTIES)
        least = int.from_bytes(data[at + 92:at + 96], "little")
        most = int.from_bytes(data[at + 96:at + 100], "little")
        if least != most or most != file.packet_size:
            raise client.Trouble("packet size %d to %d" % (least, most))
        there = asf.File(data[:size] + head + bytes(file.packet_size))
        if there.streams != file.streams:
            raise client.Trouble("streams %s" % there.streams)

    def do_capture(self, made, one, words):
        """capture NAME header H REGEX | body REGEX"""
        if words[2] == "header":
            text, pattern = made.reply.get(words[3]), words[4]
        else:
            text, pattern = made.reply.body, words[3]
        found = re.search(pattern, text or "")
        if found is None:
            raise client.Trouble("%s is not in \"%s\"" % (pattern, text))
        self.variables[words[1]] = found.group(1 if found.groups() else 0)

    def do_when(self, made, one, words):
        if holds(words[1], words[2], words[3]):
            self.perform(made, one.block)

    def do_pass(self, made, one, words):
        self.top_pass(one, words)

    def do_let(self, made, one, words):
        self.top_let(one, words)

    def do_require(self, made, one, words):
        """require A OP B"""
        if not holds(words[1], words[2], words[3]):
            raise client.Trouble("%s %s %s is not so" % tuple(words[1:4]))

    def do_closed(self, made, one, words):
        """closed within S [cleanly]: by the server"""
        if not self.net.wait(lambda: made.ended, seconds(words[2])):
            raise client.Trouble("the connection is open after " + words[2])
        if "cleanly" in words and made.ended != "closed":
            raise client.Trouble("the connection was reset")

    def do_stays(self, made, one, words):
        """stays open for S"""
        if self.net.pass_time(seconds(words[3]), lambda: made.ended):
            raise client.Trouble("the server %s the connection" % made.ended)

    def do_close(self, made, one, words):
        made.close()

    def do_reset(self, made, one, words):
        made.close(reset=True)

    def do_half_close(self, made, one, words):
        made.half_close()

    def do_read(self, made, one, words):
        made.read(words[1] == "on")

    def do_ignore(self, made, one, words):
        """ignore replies"""
        made.ignore_replies = True

    def do_drain(self, made, one, words):
        """drain: replies that came are taken, whatever they say"""
        made.taken = len(made.replies)
        made.expect_cseq = []

    def do_answers(self, made, one, words):
        """answers STATUS[|STATUS...] or closes within S: one of both"""
        self.net.wait(lambda: len(made.replies) > made.taken or made.ended,
                      seconds(words[-1]))
        if len(made.replies) > made.taken:
            made.expect(words[1].split("|"), None, True)
        elif not made.ended:
            raise client.Trouble("neither reply nor close")

    def do_agent(self, made, one, words):
        made.agent = unescape(words[1]).decode("latin-1")

    def do_session(self, made, one, words):
        """session forget | forget-id (its flows are kept) | ID"""
        made.session = None if words[1].startswith("forget") else words[1]
        if words[1] == "forget":
            made.flows = []
            for pair in made.pairs:
                pair.flow = None

    def do_relay(self, made, one, words):
        """relay lose 1 of N: before the first pair of ports"""
        self.connected(made, None)
        made.relay(int(words[4]))

    def do_open(self, made, one, words):
        """open URL over udp|shared|tcp [streams N...] [rtx]"""
        self.connected(made, words[1])
        streams = [int(w) for w in words[4:] if w.isdigit()]
        made.open(words[1], words[3], streams, "rtx" in words)

    def do_play(self, made, one, words):
        """play [RANGE] [HEADER VALUE]...: PLAY of the whole, 200"""
        headers = []
        if len(words) > 1 and words[1] != "on":
            headers.append(("Range", "npt=" + words[1]))
        made.send("PLAY", made.base, "RTSP/1.0", headers, None)
        made.expect(["200"])

    def do_teardown(self, made, one, words):
        made.send("TEARDOWN", made.base, "RTSP/1.0", [], None)
        made.expect(["200"])

    # what came

    def clauses(self, text):
        return [split(part.strip()) for part in text.split(",")
                if part.strip()]

    def do_rtp(self, made, one, words):
        text = self.expand(one.text, one.line)[3:].strip()
        flows = made.carriers()
        for clause in self.clauses(text):
            if clause[:2] == ["on", "flow"]:
                flows = [made.flows[int(clause[2]) - 1]]
                continue
            if not flows:
                raise client.Trouble("nothing is set up")
            self.rtp_clause(made, flows, clause, one.line)
        for flow in made.flows:
            self.flow_faults(made, flow)

    def rtp_clause(self, made, flows, clause, line):
        words = " ".join(clause)
        if clause[0] == "at-least" or clause[1:2] == ["more"]:
            self.rtp_count(made, flows, clause)
        elif clause[0] == "silent":
            self.rtp_silent(made.flows, seconds(clause[2]))
        elif clause[0] == "until":  # until end within S
            self.rtp_end(made, seconds(clause[3]))
        elif words == "in sequence":
            self.each(flows, lambda flow: flow.in_sequence())
        elif words == "same ssrc":
            self.each(flows, lambda flow: flow.one_source())
        elif words == "own ssrc":
            found = [{p.ssrc for p in flow.packets} for flow in flows]
            if len(set().union(*found)) != len(flows):
                raise rtp.Fault("the flows' SSRCs: %s" % found)
        elif words == "as RTP-Info":
            self.each(flows, lambda flow: flow.as_info())
        elif clause[0] in ("equals", "completes"):
            self.rtp_equals(flows, clause, line)
        elif clause[0] == "ahead":  # ahead at-most T [speed N]
            speed = float(clause[4]) if len(clause) > 4 else 1.0
            for flow in flows:
                early = flow.ahead(speed)
                if early > seconds(clause[2]):
                    raise rtp.Fault("%s: a packet came %.0f ms early" % (
                        flow.name, early * 1000))
        elif clause[0] == "catch-up":  # catch-up at-most 2x behind 1500ms
            self.each(flows, lambda flow: flow.catch_up(
                float(clause[2].rstrip("x")), seconds(clause[4]), 0.12))
        elif clause[0] == "late":  # late at-most T
            for flow in flows:
                late = flow.lateness()
                if late > seconds(clause[2]) * patience():
                    raise rtp.Fault("%s: the last packet is %.0f ms late" % (
                        flow.name, late * 1000))
        elif clause[0] == "last":  # last at-least|at-most T: RTP time
            for flow in flows:
                last = flow.window()[-1].timestamp / 1000.0
                if (last < seconds(clause[2]) if clause[1] == "at-least"
                        else last > seconds(clause[2])):
                    raise rtp.Fault("%s: the last packet is of %.3f s" % (
                        flow.name, last))
        elif clause[0] == "largest":  # largest at-most N
            for flow in flows:
                size = max(one.size for one in flow.window())
                if size - 12 > int(clause[2]):
                    raise rtp.Fault("%s: payload of %d bytes" % (
                        flow.name, size - 12))
        elif clause[0] == "from" and clause[1] != "server":
            if {source[0] for source in made.sources} != {clause[1]}:
                raise rtp.Fault("RTP comes from %s" % sorted(made.sources))
        elif words == "from server port":
            want = made.server_port()
            if {source[1] for source in made.sources} != {want}:
                raise rtp.Fault("RTP comes from %s, not from port %d" % (
                    sorted(made.sources), want))
        else:
            raise ValueError(words)

    def each(self, flows, function):
        with self.net.lock:
            for flow in flows:
                function(flow)

    def rtp_count(self, made, flows, clause):
        """at-least N within S: since PLAY; N more within S: from now on"""
        more = clause[1] == "more"
        need = int(clause[0] if more else clause[1])
        have = [len(flow.window()) if more else 0 for flow in flows]

        def enough():
            return all(len(flow.window()) - before >= need
                       for flow, before in zip(flows, have))
        if not self.net.wait(lambda: enough() or made.ended and any(
                flow.channels for flow in flows), seconds(clause[3])
                ) or not enough():
            raise rtp.Fault("packets: %s" % ", ".join(
                "%d on %s" % (len(flow.window()) - before, flow.name)
                for flow, before in zip(flows, have)))

    def rtp_silent(self, flows, bound):
        # What had been sent before the answer was read may still be on its
        # way through the kernel; it carries a stamp of before.
        with self.net.lock:
            begin = time.time()
            have = [len(flow.packets) for flow in flows]

        def heard():
            return any(one.arrival > begin
                       for flow, before in zip(flows, have)
                       for one in flow.packets[before:])
        if self.net.pass_time(bound, heard):
            raise rtp.Fault("not silent")

    def rtp_end(self, made, bound):
        count = sum(1 for line in made.sdp if line.startswith("m="))

        def byes():
            return sum(len(flow.goodbyes()) for flow in made.flows)
        before = made.byes_seen if hasattr(made, "byes_seen") else 0
        if not self.net.wait(lambda: byes() - before >= count or (
                made.ended is not None), bound):
            raise rtp.Fault("%d BYEs, %d m= lines" % (byes() - before, count))
        self.net.pass_time(0.15)
        if byes() - before != count:
            raise rtp.Fault("%d BYEs, %d m= lines" % (byes() - before, count))
        made.byes_seen = byes()
        for flow in made.flows:
            bye = flow.goodbyes()[-1:]
            if not bye:
                raise rtp.Fault("%s: no BYE there" % flow.name)
            if flow.source not in (None, bye[0].ssrc):
                raise rtp.Fault("%s: BYE of %08x" % (flow.name, bye[0].ssrc))
            if bye[0].size < 12:
                raise rtp.Fault("%s: BYE of %d bytes" % (
                    flow.name, bye[0].size))

    def rtp_equals(self, flows, clause, line):
        """equals|completes FILE [from packet N | from key at S |
        from audio at S]"""
        file = self.file(clause[1], line)
        begin = None
        if clause[2:4] == ["from", "packet"]:
            begin = int(clause[4])
        elif clause[2:4] == ["from", "key"]:
            at = seconds(clause[5]) * 1000
            video = min(n for flow in flows for n in flow.carried
                        if file.key_packets(n))
            begin = [p for t, p in file.key_packets(video) if t <= at][-1]
            if at == 0:  # the beginning, what stands before the key included
                begin = list(range(begin + 1))
        elif clause[2:4] == ["from", "audio"]:
            at = seconds(clause[5]) * 1000
            # One that is sent then, or little earlier: the beginning of a
            # media object is worth having.
            sends = [(i, file.packet(i).send) for i in range(file.count)]
            begin = [i for i, send in sends if at - 250 <= send <= at]
        with self.net.lock:
            for flow in flows:
                first = begin
                if isinstance(begin, int):
                    # The flow's first packet there that has its streams.
                    first = next(i for i, _, _, _ in file.sent(
                        flow.carried) if i >= begin)
                wanted = set(flow.carried)
                if flow is flows[0]:
                    wanted |= file.commands
                rtp.compare(flow, file, wanted, first,
                            clause[0] == "completes")

    def do_window(self, made, one, words):
        """window begins with ${c1.window}: as it was then, so that what came
        before and behind a PAUSE is looked at as one row"""
        for flow, first in zip(made.flows, words[3].split()):
            flow.as_info() if flow.window() else None
            flow.first = int(first)

    def do_rtcp(self, made, one, words):
        """rtcp sr within S; rtcp bye N within S"""
        if words[1] == "bye":
            need = int(words[2])
            if not self.net.wait(lambda: sum(
                    len(flow.goodbyes()) for flow in made.flows) >= need,
                    seconds(words[4])):
                raise rtp.Fault("%d BYEs" % sum(
                    len(flow.goodbyes()) for flow in made.flows))
            return

        def reports():
            return [[one for one in flow.reports
                     if one.sender() and one.arrival > flow.said]
                    for flow in made.carriers()]
        if not self.net.wait(lambda: all(reports()), seconds(words[3])):
            raise rtp.Fault("no sender report on every flow")
        for flow, found in zip(made.carriers(), reports()):
            for report in found:
                self.sender_report(flow, report)

    def sender_report(self, flow, report):
        ssrc, when, stamp, packets, octets = report.sender()
        where = "%s: SR" % flow.name
        if flow.packets and ssrc != flow.packets[0].ssrc:
            raise rtp.Fault("%s of %08x" % (where, ssrc))
        if abs(when - report.arrival) > 2:
            raise rtp.Fault("%s: NTP time off by %.1f s" % (
                where, when - report.arrival))
        if packets > len(flow.packets):
            raise rtp.Fault("%s: %d packets, %d came" % (
                where, packets, len(flow.packets)))
        if not report.name():
            raise rtp.Fault("%s without CNAME (RFC 3550 6.1)" % where)
        for one in flow.window():
            # The same clock: NTP and RTP time rise together.
            media = (one.timestamp - stamp) / 1000.0
            if media > one.arrival - when + 0.2:
                raise rtp.Fault("%s: its time line and the packets' differ" %
                                where)

    def do_report(self, made, one, words):
        """report [lost N] [fraction N]: receiver reports"""
        options = dict(zip(words[1::2], words[2::2]))
        made.report(int(options["lost"]) if "lost" in options else None,
                    int(options["fraction"]) if "fraction" in options
                    else None)

    def do_send_rtcp(self, made, one, words):
        """send-rtcp BYTES | bye [times N] on every flow"""
        data = unescape(words[1])
        for flow in made.flows:
            ssrc = flow.packets[-1].ssrc if flow.packets else 0
            if words[1] == "bye":
                data = rtp.goodbye(ssrc)
            for _ in range(int(words[3]) if "times" in words else 1):
                made.send_rtcp(flow, data)

    def do_punch(self, made, one, words):
        """What clients send to the server's ports to open the way."""
        for flow in made.flows:
            port = made.server_port()
            flow.pair.rtp.sendto(b"\xce\xfa\xed\xfe", (made.host, port))
            flow.pair.rtcp.sendto(b"\xce\xfa\xed\xfe", (made.host, port + 1))
