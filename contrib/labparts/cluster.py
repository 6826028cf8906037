#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
cluster - what the lab consists of, and how it comes up: one Ethernet segment,
the namespace "clients" with 250 addresses, directors d1 and d2, nodes n1 to n3
with vodd and vodagent.  Set up by the scripts that operators use.

usage: cluster.py COMMAND...    brings it up, runs COMMAND, takes it down

In a network namespace that nothing else is in: contrib/lab makes one.  The
settings (LAB_SETTINGS="NAME=VALUE ...") are those of Settings.  COMMAND finds
LAB_VIP, LAB_FOLDER and LAB_MEDIA in its environment.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

SOURCE = os.environ.get("srcdir") or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("builddir") or os.path.join(SOURCE, "build")
FOLDER = "/run/lab"

VIP = "10.64.0.10"
RTSP_PORT = 554
LOAD_PORT = 3333
DIRECTORS = {"d1": "10.64.0.2", "d2": "10.64.0.3"}
NODES = {"n%d" % i: "10.64.0.%d" % (10 + i) for i in (1, 2, 3)}
RTP_PORTS = {"n%d" % i: (40000 + 100 * i, 40099 + 100 * i) for i in (1, 2, 3)}
CLIENTS = ["10.64.1.%d" % i for i in range(1, 251)]
SEGMENT = "segment"     # the namespace of the switch


class Failed(Exception):
    pass


def say(text):
    print(text, flush=True)


def check(good, text):
    if not good:
        raise Failed(text)


def shown(good, text):
    """A line of what a test shows."""
    check(good, text)
    say("ok: " + text)


def within(seconds, what, true):
    """What TRUE returns, as soon as it is something."""
    end = time.monotonic() + seconds
    while True:
        result = true()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed("not within %g s: %s" % (seconds, what))
        time.sleep(0.05)


def run(*words, check=True, place=None):
    """What a command says; PLACE is a namespace."""
    with inside(place):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode != 0:
        raise Failed("%s: exit %d: %s" % (
            " ".join(words), done.returncode, done.stdout.strip()))
    return done.stdout


def number(address):
    return int.from_bytes(socket.inet_aton(address), "big")


def ip_batch(lines, place=None):
    """Commands of ip, without the word."""
    where = ("-n", place) if place else ()
    done = subprocess.run(("ip",) + where + ("-batch", "-"), text=True,
                          input="\n".join(lines) + "\n",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, "ip: " + done.stdout)


libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(place):
    """Sockets that this thread opens, and commands that it starts, are
    PLACE's; of this namespace if that is None."""
    if place is None:
        yield
        return

    def enter(path):
        fd = os.open(path, os.O_RDONLY)
        try:
            if libc.setns(fd, 0x40000000) != 0:     # CLONE_NEWNET
                raise OSError(ctypes.get_errno(), "setns " + path)
        finally:
            os.close(fd)
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter("/run/netns/" + place)
        try:
            yield
        finally:
            enter("/proc/self/fd/%d" % here)
    finally:
        os.close(here)


@dataclasses.dataclass
class Settings:
    """Of a cluster."""
    scheduler: str = "wlc"
    capacities: tuple = (20, 20, 20)    # Mbit/s of n1, n2, n3, or fewer
    keepalived: bool = True             # else d1 alone, set up by hand
    balance: bool = True                # vodbalance on the directors
    interval: str = "1 s"               # of vodbalance
    session: str = "30 s"               # mean length, for its slow start
    vodd: tuple = ()                    # further settings of vodd
    vodagent: tuple = ()                # and of vodagent
    library: str = ""                   # folder served as library/

    @classmethod
    def parse(cls, text):
        kinds = {one.name: one for one in dataclasses.fields(cls)}
        settings = cls()
        for word in text.split():
            name, _, value = word.partition("=")
            if name not in kinds:
                raise Failed("the lab has no setting %s" % name)
            kind = type(kinds[name].default)
            if kind is tuple:
                value = tuple(int(one) if one.isdigit() else one
                              for one in value.split(","))
            elif kind is bool:
                value = value in ("yes", "true", "1")
            setattr(settings, name, value)
        return settings


def need_user():
    """The user vodd, for as long as the lab lives: where it may write all
    mounts are its own."""
    try:
        pwd.getpwnam("vodd")
        return
    except KeyError:
        pass
    for name, line in (
            ("passwd", "vodd:x:64990:64990::/:/usr/sbin/nologin\n"),
            ("group", "vodd:x:64990:\n")):
        copy = os.path.join(FOLDER, name)
        shutil.copyfile("/etc/" + name, copy)
        with open(copy, "a") as out:
            out.write(line)
        os.chmod(copy, 0o644)
        run("mount", "--bind", copy, "/etc/" + name)


class Process:
    """A daemon of the lab, in the foreground in a namespace."""

    def __init__(self, place, name, words):
        self.place, self.name, self.words = place, name, words
        self.log_name = os.path.join(FOLDER, "%s-%s.log" % (place, name))
        self.process = None
        self.start()

    def start(self):
        with open(self.log_name, "ab") as log, inside(self.place):
            self.process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def log(self):
        with open(self.log_name, errors="replace") as log:
            return log.read()

    def running(self):
        return self.process.poll() is None

    def kill(self):
        """It and all that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=8):
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


class Machine:
    """One on the segment: its own namespace, link eth0."""

    def __init__(self, name, settings):
        self.name, self.settings = name, settings
        self.folder = os.path.join(FOLDER, name)

    def unplug(self):
        run("ip", "-n", SEGMENT, "link", "set", "p-" + self.name, "down")

    def plug(self):
        run("ip", "-n", SEGMENT, "link", "set", "p-" + self.name, "up")


class Node(Machine):
    def __init__(self, name, capacity, settings):
        super().__init__(name, settings)
        self.address = NODES[name]
        self.capacity_bps = capacity * 1000000
        self.conf = os.path.join(self.folder, "vodd.conf")
        self.server = self.agent = None

    def set_up(self):
        os.makedirs(self.folder)
        with open(self.conf, "w") as out:
            out.write('listen = ":%d";\nmedia_root = "%s/media";\n'
                      'workers = 1;\n'
                      % (RTSP_PORT, FOLDER))
            for line in self.settings.vodd:
                out.write("%s;\n" % line)
        run(SOURCE + "/contrib/setup-realserver", "--conf", self.conf, VIP,
            "%d-%d" % RTP_PORTS[self.name], place=self.name)

    def start(self):
        self.start_server()
        self.start_agent()

    def start_server(self):
        words = (BUILD + "/vodd", "-f", "-n", self.name, "-c", self.conf)
        if self.server:
            self.server.start()
        else:
            self.server = Process(self.name, "vodd", words)

    def start_agent(self):
        conf = os.path.join(self.folder, "vodagent.conf")
        with open(conf, "w") as out:
            out.write('node = "%s"; capacity = "%d bit/s";\n'
                      'interface = "eth0"; vip = "%s";\n'
                      'heartbeat_limit = "3 s"; rtsp_timeout = "2 s";\n'
                      % (self.name, self.capacity_bps, VIP))
            for line in self.settings.vodagent:
                out.write("%s;\n" % line)
        words = (BUILD + "/vodagent", "-f", "-n", self.name, "-c", conf)
        if self.agent:
            self.agent.start()
        else:
            self.agent = Process(self.name, "vodagent", words)

    def ask(self):
        """What the agent says: its first line and the others by name; None if
        it does not answer."""
        text = b""
        try:
            with inside("clients"):
                link = socket.create_connection((self.address, LOAD_PORT), 2)
            with link:
                while True:
                    more = link.recv(4096)
                    if not more:
                        break
                    text += more
        except OSError:
            return None
        lines = text.decode().splitlines()
        if not lines or lines[-1] != "end":
            return None
        report = dict(line.partition(" ")[::2] for line in lines[1:-1])
        report["line"] = lines[0]
        return report

    def ready(self):
        report = self.ask()
        return report and report["state"] == "ready" and (
            report["rtsp_ok"] == "1")

    def stat(self, *options):
        """vodstat's answer, as an object."""
        return json.loads(run(BUILD + "/vodstat", "-n", self.name, "--json",
                              *options))

    def order(self, word):
        run(BUILD + "/vodd", "-n", self.name, "-c", self.conf, "-s", word)

    def die(self):
        """As a machine does whose power fails."""
        self.unplug()
        self.server.kill()
        self.agent.kill()


class Director(Machine):
    def __init__(self, name, priority, settings):
        super().__init__(name, settings)
        self.priority = priority
        self.keepalived = self.balancer = None

    def set_up(self, *options):
        os.makedirs(self.folder, exist_ok=True)
        words = ["--scheduler", self.settings.scheduler]
        if self.settings.keepalived:
            words += ["--keepalived", self.folder + "/keepalived.conf",
                      "--priority", str(self.priority)]
        run(SOURCE + "/contrib/setup-director", *words, *options, VIP,
            *("%s=%d-%d" % (NODES[one], *RTP_PORTS[one])
              for one, _ in zip(NODES, self.settings.capacities)),
            place=self.name)

    def start_keepalived(self):
        at = self.folder + "/keepalived"
        words = ("keepalived", "--dont-fork", "--log-console", "--log-detail",
                 "-f", at + ".conf", "-p", at + ".pid", "-r", at + ".vrrp",
                 "-c", at + ".checks")
        if self.keepalived:
            for left in (".pid", ".vrrp", ".checks"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(at + left)
            self.keepalived.start()
        else:
            self.keepalived = Process(self.name, "keepalived", words)

    def start_balancer(self):
        program = BUILD + "/vodbalance"
        if not os.path.exists(program):
            return
        if self.balancer:
            self.balancer.start()
            return
        conf = self.folder + "/vodbalance.conf"
        with open(conf, "w") as out:
            out.write('session = "%s"; state = "%s/state/state";\n' % (
                self.settings.session, self.folder))
        self.balancer = Process(self.name, "vodbalance", (
            program, "-f", "-c", conf, "-s", "tcp:%s:%d" % (VIP, RTSP_PORT),
            "-i", self.settings.interval))

    def die(self):
        """As a machine does whose power fails: it also forgets."""
        self.unplug()
        for one in (self.keepalived, self.balancer):
            one.kill()
        run("ip", "addr", "del", VIP + "/32", "dev", "eth0", check=False,
            place=self.name)
        for words in (("-D", "-t", "%s:%d" % (VIP, RTSP_PORT)),
                      ("--stop-daemon", "master"),
                      ("--stop-daemon", "backup")):
            run("ipvsadm", *words, check=False, place=self.name)

    # These two are asked over and over: no command for it.

    def has_vip(self):
        with inside(self.name), socket.socket(
                socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind((VIP, 0))
            except OSError:
                return False
        return True

    def weights(self):
        """Of each node, as IPVS has them: node -> weight."""
        with inside(self.name), open("/proc/thread-self/net/ip_vs") as table:
            service = re.search(
                r"(?m)^TCP  %08X:%04X .*\n((?:  -> .*\n)*)" % (
                    number(VIP), RTSP_PORT), table.read())
        found = dict(re.findall(
            r"-> ([0-9A-F]{8}):\w+ +\w+ +(\d+) ",
            service.group(1))) if service else {}
        return {name: int(found["%08X" % number(address)])
                for name, address in NODES.items()
                if "%08X" % number(address) in found}

    def has_all(self, nodes):
        """With weights of vodbalance, if it is to set them."""
        weights = self.weights()
        return len(weights) == len(nodes) and (
            not self.balancer or min(weights.values()) > 1)


def counters(place):
    """Of its link: packets and bytes received and sent."""
    link = json.loads(run("ip", "-n", place, "-j", "-s", "link", "show",
                          "eth0"))[0]["stats64"]
    return {"rx": link["rx"]["packets"], "rx_bytes": link["rx"]["bytes"],
            "tx": link["tx"]["packets"], "tx_bytes": link["tx"]["bytes"]}


class Cluster:
    """All of it; `with Cluster(...) as cluster:` has it running."""

    def __init__(self, settings=None, titles=(), **changes):
        """TITLES: (name, bit/s, seconds) of each that is to be made."""
        self.settings = dataclasses.replace(settings or Settings(), **changes)
        self.titles = titles
        self.nodes = {name: Node(name, capacity, self.settings)
                      for name, capacity in zip(
                          NODES, self.settings.capacities)}
        self.directors = {name: Director(name, priority, self.settings)
                          for name, priority in zip(DIRECTORS, (150, 100))}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.tell()
            self.stop()
            raise
        return self

    def __exit__(self, kind, problem, trace):
        if problem is not None:
            self.tell()
        self.stop()

    def start(self):
        shutil.rmtree(FOLDER, ignore_errors=True)
        os.makedirs(FOLDER + "/media")
        os.chmod(FOLDER, 0o755)
        need_user()
        self.add_media(SOURCE + "/media")
        if self.settings.library:
            os.mkdir(FOLDER + "/media/library")
            run("mount", "--bind", self.settings.library,
                FOLDER + "/media/library")
        self.lay_out()
        # which takes keepalived some seconds to find out who is active
        for director in self.ours():
            director.set_up()
            if self.settings.keepalived:
                director.start_keepalived()
        for node in self.nodes.values():
            node.set_up()
            node.start()
        if self.settings.balance:
            for director in self.ours():
                director.start_balancer()
        for title in self.titles:
            self.make_title(*title)
        within(15, "all nodes are ready", lambda: all(
            node.ready() for node in self.nodes.values()))
        within(15, "a director has %s" % VIP, lambda: self.active())
        within(15, "the directors have all nodes", lambda: all(
            one.has_all(self.nodes) for one in self.ours()))
        for one in self.processes():
            check(one.running(), "%s on %s has ended: %s" % (
                one.name, one.place, one.log().strip()))

    def ours(self):
        every = list(self.directors.values())
        return every if self.settings.keepalived else every[:1]

    def add_media(self, folder):
        """Readable by the workers, whatever the umask was."""
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and name[-4:] in (".asf", ".wmv", ".wma"):
                place = os.path.join(FOLDER, "media", name)
                shutil.copyfile(path, place)
                os.chmod(place, 0o644)

    def make_title(self, name, rate, seconds):
        """One with video of RATE bit/s, in packets of 1,400 bytes."""
        sys.path.insert(0, SOURCE + "/t")
        from vtlib import asf
        options = asf.Options()
        options.rate, options.seconds, options.streams = rate, seconds, "v"
        path = os.path.join(FOLDER, "media", name)
        with open(path, "wb") as out:
            out.write(asf.make(options))
        os.chmod(path, 0o644)

    def lay_out(self):
        """The segment, and a namespace for each machine on it."""
        machines = {"clients": "10.64.0.100"} | DIRECTORS | NODES
        ip_batch(["netns add " + SEGMENT] + [
            line for name in machines for line in (
                "netns add " + name,
                "link add eth0 netns %s type veth peer name p-%s netns %s" % (
                    name, name, SEGMENT))])
        ip_batch(["link add br0 type bridge mcast_snooping 0",
                  "link set br0 up"] + [
            "link set p-%s master br0 up" % name for name in machines],
            SEGMENT)
        for name, address in machines.items():
            every = [address] + (CLIENTS if name == "clients" else [])
            ip_batch(["link set lo up"] + [
                "addr add %s/16 dev eth0" % one for one in every] + [
                "link set eth0 up"], name)

    def active(self):
        """The director that has the virtual address."""
        found = [one for one in self.ours() if one.has_vip()]
        return found[0] if len(found) == 1 else None

    def processes(self):
        return [one for node in self.nodes.values()
                for one in (node.server, node.agent) if one] + [
            one for director in self.directors.values()
            for one in (director.keepalived, director.balancer) if one]

    def tell(self):
        """The ends of all logs."""
        for one in self.processes():
            say("--- %s on %s\n%s" % (one.name, one.place, one.log()[-1500:]))

    def stop(self):
        for one in self.processes():
            one.kill()
        if self.settings.library:
            run("umount", FOLDER + "/media/library", check=False)
        for name in [SEGMENT, "clients", *DIRECTORS, *NODES]:
            run("ip", "netns", "del", name, check=False)


class Sniffer:
    """Counts the UDP datagrams that pass a link, by source and destination:
    (address, port, address, port) -> how many."""

    def __init__(self, place):
        with inside(place):
            self.socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
        self.socket.settimeout(0.2)
        self.seen, self.stopped = {}, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped:
            try:
                data, link = self.socket.recvfrom(64)
            except socket.timeout:
                continue
            at = (data[0] & 15) * 4 if data else 0
            # no other machine's, no other protocol, no later fragment
            if link[0] != "eth0" or link[2] == 3 or len(data) < at + 8 or (
                    link[1] != 0x800 or data[9] != 17):
                continue
            ports = int.from_bytes(data[at:at + 2], "big"), int.from_bytes(
                data[at + 2:at + 4], "big")
            key = (socket.inet_ntoa(data[12:16]), ports[0],
                   socket.inet_ntoa(data[16:20]), ports[1])
            self.seen[key] = self.seen.get(key, 0) + 1

    def count(self, fits):
        return sum(many for key, many in list(self.seen.items())
                   if fits(*key))

    def close(self):
        self.stopped = True
        self.thread.join()
        self.socket.close()


def test(function):
    """A test's whole life; its exit status."""
    if not os.environ.get("LAB_INSIDE"):
        say("skipped: run it through contrib/lab bare")
        return 77
    try:
        function()
    except Failed as failed:
        say("FAILED: %s" % failed)
        return 1
    return 0


def main():
    if not os.environ.get("LAB_INSIDE"):
        sys.exit("cluster.py: contrib/lab runs this")
    try:
        with Cluster(Settings.parse(
                os.environ.get("LAB_SETTINGS", ""))):
            return subprocess.call(sys.argv[1:], env=dict(
                os.environ, LAB_VIP=VIP, LAB_FOLDER=FOLDER,
                LAB_MEDIA=FOLDER + "/media"))
    except Failed as failed:
        say("lab: %s" % failed)
        return 125


if __name__ == "__main__":
    sys.exit(main())
