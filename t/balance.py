#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
balance - vodbalance with agents that say what is wanted, and an ipvsadm that
keeps its table in a file: weights follow load, whoever is silent, drains, is
down or talks nonsense; what others set; what it is told by signals.

t/cluster/balance.py shows the same with a kernel's table.

Exit status: 0 passed, 1 failed.
"""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vtlib.net import patience  # noqa: E402
from vtlib.script import Failed, check, say, within  # noqa: E402
from vtlib.server import program  # noqa: E402

SOURCE = os.environ.get("srcdir", os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SERVICE = "tcp:127.0.0.100:554"
NAME = "-t 127.0.0.100:554"  # the same for ipvsadm
CAPACITY = 1000000000


# --- agents -------------------------------------------------------------------

class Agent:
    """Answers at HOST:PORT as long as it lives; VALUES may be changed."""

    def __init__(self, host, port=0):
        self.values = {
            "version": 1, "node": "n" + host.split(".")[-1], "state": "ready",
            "capacity_bps": CAPACITY, "committed_bps": CAPACITY // 2,
            "sessions": 500, "sessions_playing": 500, "max_sessions": 4000,
            "pressure": "0.00", "load1": "0.10", "heartbeat_age_ms": 10,
            "vip_on_lo": 1, "arp_ignore": 1, "arp_announce": 2, "rtsp_ok": 1}
        self.text = None  # instead of a report
        self.hangs = False
        self.asked = 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def report(self):
        if self.text is not None:
            return self.text
        state = self.values["state"]
        first = {"ready": "ready 50%", "drain": "drain", "down": "down #x"}
        lines = [first[state]]
        lines += ["%s %s" % pair for pair in self.values.items()]
        return ("\n".join(lines + ["end", ""])).encode()

    def serve(self):
        held = []
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.asked += 1
            if self.hangs:
                held.append(connection)
                continue
            try:
                connection.sendall(self.report())
            except OSError:
                pass
            connection.close()

    def end(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended
        self.listener.close()


# --- the kernel's table ---------------------------------------------------------

RECORDER = """#!%s
import fcntl, json, os, sys
file = %r
with open(file + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with open(file) as table:
        services = json.load(table)
    if services.get("broken"):
        sys.exit("Permission denied (you must be root)")
    services.pop("broken", None)
    word = sys.argv[1]
    if word == "-Sn":
        for name, servers in services.items():
            print("-A", name, "-s wlc")
            for server, it in servers.items():
                print("-a %%s -r %%s -g -w %%d" %% (name, server, it["w"]))
    elif word == "-Ln":
        print("IP Virtual Server version 1.2.1 (size=4096)")
        for name, servers in services.items():
            print("TCP  %%s wlc" %% name.split()[1])
            for server, it in servers.items():
                print("  -> %%-28s %%d %%d 0 0" %% (server, it["x"], it["y"]))
    elif word == "-R":
        with open(file + ".log", "a") as log:
            log.write("batch\\n")
            for line in sys.stdin:
                log.write(line)
                words = line.split()
                given = dict(zip(words[1:], words[2:]))
                name = "-t " + given["-t"]
                assert words[0] == "-e" and "-g" in words
                server = services[name].get(given["-r"])
                if server is None:
                    sys.stderr.write("No such destination\\n")
                    continue
                server["w"] = int(given["-w"])
                server["x"] = int(given.get("-x", 0))
                server["y"] = int(given.get("-y", 0))
        with open(file + ".new", "w") as table:
            json.dump(services, table)
        os.rename(file + ".new", file)
    else:
        sys.exit("what is " + word)
"""


class Recorder:
    """An ipvsadm whose kernel is a file."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "table")
        self.program = os.path.join(folder, "ipvsadm")
        with open(self.program, "w") as out:
            out.write(RECORDER % (sys.executable, self.file))
        os.chmod(self.program, 0o755)
        self.write({})
        open(self.file + ".log", "w").close()

    def write(self, services):
        with open(self.file + ".new", "w") as out:
            json.dump(services, out)
        os.rename(self.file + ".new", self.file)

    def read(self):
        with open(self.file) as table:
            return json.load(table)

    def change(self, change):
        """Nobody else writes meanwhile."""
        import fcntl
        with open(self.file + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            services = self.read()
            change(services)
            self.write(services)

    def set(self, server, weight):
        """WEIGHT None: there is no such server any more."""
        def put(services):
            servers = services.setdefault(NAME, {})
            if weight is None:
                servers.pop(server)
            else:
                servers.setdefault(server, {"x": 0, "y": 0})["w"] = weight
        self.change(put)

    def weights(self):
        return {name: it["w"] for name, it in self.read()[NAME].items()}

    def set_thresholds(self, server, upper, lower):
        self.change(lambda services: services[NAME][server].update(
            x=upper, y=lower))

    def thresholds(self, server):
        it = self.read()[NAME][server]
        return it["x"], it["y"]

    def drop(self):
        self.change(lambda services: services.pop(NAME))

    def batches(self):
        with open(self.file + ".log") as log:
            return log.read().split("batch\n")[1:]


# --- the program ----------------------------------------------------------------

class Balancer:
    def __init__(self, folder, table, port, options=()):
        self.conf = os.path.join(folder, "vodbalance.conf")
        self.log_name = os.path.join(folder, "log")
        self.state = os.path.join(folder, "state")
        self.tracks = os.path.join(folder, "tracks")
        os.makedirs(self.tracks, exist_ok=True)
        self.write_conf(table.program, port)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = os.path.join(folder, "notify")
        if os.path.exists(name):
            os.unlink(name)
        self.manager.bind(name)
        self.words = []
        threading.Thread(target=self.listen, daemon=True).start()
        with open(self.log_name, "ab") as log:
            self.process = subprocess.Popen(
                [program("vodbalance"), "-f", "-c", self.conf] + list(options),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, NOTIFY_SOCKET=name))

    def write_conf(self, ipvsadm, port, more=""):
        with open(self.conf, "w") as out:
            out.write('user = "root"; interval = "100 ms"; timeout = "80 ms";'
                      ' services = "%s"; session = "2 s"; agent_port = %d; ipvsadm = "%s";'
                      ' state = "%s"; track_files = "%s"; %s\n' % (
                          SERVICE, port, ipvsadm, self.state, self.tracks,
                          more))

    def log(self):
        with open(self.log_name, errors="replace") as log:
            return log.read()

    def listen(self):
        """To what a service manager is told."""
        try:
            while True:
                self.words += self.manager.recv(1000).decode().split("\n")
        except OSError:
            return

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        try:
            status = self.process.wait(5 * patience())
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("vodbalance does not end by signal %d" % how)
        self.manager.shutdown(socket.SHUT_RDWR)
        self.manager.close()
        check(status == (0 if how == signal.SIGTERM else -how),
              "exit status %d" % status)


class Cluster:
    def __init__(self, folder, table):
        self.folder = folder
        self.table = table
        self.agents = [Agent("127.0.0.1")]
        self.port = self.agents[0].port
        self.agents += [Agent("127.0.0.%d" % n, self.port) for n in (2, 3)]
        self.balancer = None

    def server(self, number):
        return "127.0.0.%d:554" % number

    def weight(self, number):
        return self.table.weights()[self.server(number)]

    def start(self, *options):
        self.balancer = Balancer(self.folder, self.table, self.port, options)

    def rounds(self, count):
        """Waits until each agent that answers was asked COUNT times more."""
        asked = self.agents[0].asked
        within(count * 0.5 + 5, "%d rounds" % count,
               lambda: self.agents[0].asked >= asked + count + 1)

    def once(self, *options):
        done = subprocess.run(
            [program("vodbalance"), "-c", self.balancer.conf, "--once"]
            + list(options), capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def misc(self, number):
        return subprocess.run(
            [program("vodbalance"), "-c", self.balancer.conf, "--misc-check",
             "127.0.0.%d" % number], capture_output=True, text=True,
            timeout=60).returncode


# --- what is shown ---------------------------------------------------------------

def begins(cluster):
    cluster.start()
    within(10, "weights of 10000", lambda: set(
        cluster.table.weights().values()) == {10000})
    cluster.rounds(10)
    log = cluster.balancer.log()
    check('node=127.0.0.2:554 old=100 new=10000 cause="load"' in log,
          "no line for a change")
    check(log.count("weight: set") == 3, "weights change without a cause")
    words = cluster.balancer.words
    check(not words or {"READY=1", "WATCHDOG=1"} <= set(words),
          "a service manager was told %s" % words)
    say("ok: weights that rest")


def is_one_batch(cluster):
    batches = cluster.table.batches()
    check(len(batches) == 1 and batches[0].count("\n") == 3,
          "not one batch: %s" % batches)
    say("ok: one batch")


def follows(cluster):
    agents = cluster.agents
    agents[0].values["committed_bps"] = CAPACITY * 3 // 4
    within(10, "less for heavier titles", lambda: cluster.weight(1) < 9000)
    agents[0].values["committed_bps"] = CAPACITY // 2
    within(10, "the same again", lambda: cluster.weight(1) > 9600)
    agents[1].values["state"] = "drain"
    within(5, "0 by drain", lambda: cluster.weight(2) == 0)
    agents[1].values["state"] = "ready"
    within(10, "ready again", lambda: cluster.weight(2) > 9000)
    agents[1].values["rtsp_ok"] = 0
    within(5, "0 by RTSP", lambda: cluster.weight(2) == 0)
    agents[1].values["rtsp_ok"] = 1
    within(10, "it answers again", lambda: cluster.weight(2) > 9000)
    say("ok: load, drain, RTSP")


def never_all(cluster):
    for agent in cluster.agents:
        agent.values["state"] = "down"
    cluster.rounds(20)
    check(any(cluster.table.weights().values()), "all are 0")
    for agent in cluster.agents:
        agent.values["state"] = "ready"
    cluster.rounds(5)  # the first to say so is alone: the others go to 0
    within(20, "all are back", lambda: min(
        cluster.table.weights().values()) > 9000)
    say("ok: never all 0")


def withstands(cluster):
    """Whatever an agent says or leaves unsaid that is no report."""
    agent = cluster.agents[1]
    whole = agent.report()
    before = cluster.weight(2)
    for text in (b"", b"x", whole[:-1], whole[:-4], whole + b"x",
                 b"ready 100%\n" * 100000, b"\0" * 1024,
                 whole.replace(b"capacity_bps ", b"capacity_bps -"),
                 whole.replace(b"sessions 500", b"sessions 0")):
        agent.text = text
        cluster.rounds(2)
        agent.text = None
        cluster.rounds(2)
        check(cluster.weight(2) == before, "%r changed it" % text[:40])
    agent.hangs = True
    cluster.rounds(40)
    check(cluster.weight(2) == before, "a silent agent changed it")
    agent.hangs = False
    within(5, "it answers again", lambda: "agent: answers service=%s node=%s" %
           (SERVICE, cluster.server(2)) in cluster.balancer.log())
    say("ok: garbage, cut and huge answers, silence")


def respects(cluster):
    cluster.table.set(cluster.server(3), 77)
    within(5, "it is told", lambda: "it is left alone service=%s node=%s" % (
        SERVICE, cluster.server(3)) in cluster.balancer.log())
    cluster.rounds(10)
    check(cluster.weight(3) == 77, "it was set again")
    cluster.table.set(cluster.server(3), None)
    within(5, "it is gone", lambda: "node is gone" in cluster.balancer.log())
    cluster.agents[2].values.update(sessions=0, committed_bps=0)
    cluster.table.set(cluster.server(3), 1)
    weight = within(5, "a slow start", lambda: (
        cluster.weight(3) > 1 and cluster.weight(3)))
    check(weight < 1000, "no slow start: %d" % weight)
    cluster.agents[2].values.update(sessions=500, committed_bps=CAPACITY // 2)
    say("ok: what others set; a node that appears anew")


def keeps_thresholds(cluster):
    cluster.table.set_thresholds(cluster.server(2), 900, 800)
    cluster.agents[1].values["state"] = "drain"
    within(5, "0 by drain", lambda: cluster.weight(2) == 0)
    check(cluster.table.thresholds(cluster.server(2)) == (900, 800),
          "thresholds are gone")
    cluster.agents[1].values["state"] = "ready"
    within(10, "ready again", lambda: cluster.weight(2) > 9000)
    say("ok: thresholds stay")


def survives_ipvsadm(cluster):
    """Whatever becomes of it, all goes on when it works again."""
    before = cluster.table.weights()
    cluster.table.change(lambda services: services.update(broken=True))
    within(5, "it is told", lambda: "Permission denied (you must be root)"
           in cluster.balancer.log())
    cluster.table.change(lambda services: services.pop("broken"))
    within(5, "it is well", lambda: "all is well again"
           in cluster.balancer.log())
    check(cluster.table.weights() == before, "weights have changed")
    say("ok: a table that cannot be read")


def survives_the_table(cluster):
    cluster.table.drop()
    within(5, "it is told", lambda: "service: is gone service=" + SERVICE
           in cluster.balancer.log())
    for number in (1, 2, 3):
        cluster.table.set(cluster.server(number), 1)
    within(10, "weights again", lambda: min(
        cluster.table.weights().values()) > 9000)
    say("ok: a service that goes and comes")


def files(cluster):
    with open(cluster.balancer.state) as state:
        text = state.read()
    check(text.startswith("vodbalance 1\n") and text.endswith("\nend\n") and
          "node 127.0.0.2 capacity_bps %d\n" % CAPACITY in text, text)
    def tracked(number):
        name = "tcp_127.0.0.100_554-127.0.0.%d_554" % number
        with open(os.path.join(cluster.balancer.tracks, name)) as track:
            return int(track.read())
    for number in (1, 2, 3):
        within(5, "track file %d" % number,
               lambda: tracked(number) == cluster.weight(number))
    check(len(os.listdir(cluster.balancer.tracks)) == 3, "drafts are left")
    away = cluster.balancer.tracks + ".away"
    os.rename(cluster.balancer.tracks, away)
    cluster.agents[0].values["state"] = "drain"
    within(5, "it is told", lambda: "track: cannot be written in " +
           cluster.balancer.tracks in cluster.balancer.log())
    os.rename(away, cluster.balancer.tracks)
    within(5, "written later", lambda: tracked(1) == 0)
    cluster.agents[0].values["state"] = "ready"
    within(10, "ready again", lambda: cluster.weight(1) > 9000)
    say("ok: state and track files")


def reloads(cluster):
    balancer, table = cluster.balancer, cluster.table
    balancer.write_conf(table.program, cluster.port, 'unknown = 1;')
    balancer.process.send_signal(signal.SIGHUP)
    within(5, "it is refused", lambda: "refused, the old one stays"
           in balancer.log())
    cluster.table.set(cluster.server(3), 66)
    cluster.rounds(3)
    check(cluster.weight(3) == 66, "set again")
    balancer.write_conf(table.program, cluster.port, 'own = true;')
    balancer.process.send_signal(signal.SIGHUP)
    within(10, "own insists", lambda: cluster.weight(3) > 9000)
    cluster.table.set(cluster.server(3), 55)
    within(10, "own insists", lambda: cluster.weight(3) > 9000)
    say("ok: SIGHUP, own")


def asks_elsewhere(cluster):
    """One node's agent is said to be at another address."""
    other = Agent("127.0.0.4", cluster.port)
    other.values["state"] = "drain"
    balancer, table = cluster.balancer, cluster.table
    balancer.write_conf(
        table.program, cluster.port, 'nodes = ( { address = "127.0.0.3"; '
        'agent = "127.0.0.4:%d"; } );' % cluster.port)
    balancer.process.send_signal(signal.SIGHUP)
    within(5, "0 by drain", lambda: cluster.weight(3) == 0)
    balancer.write_conf(table.program, cluster.port, "own = true;")
    balancer.process.send_signal(signal.SIGHUP)
    within(10, "ready", lambda: cluster.weight(3) > 9000)
    other.end()
    say("ok: an agent elsewhere")


def diagnoses(cluster):
    """What agents say; t/cluster/diagnose has all the rest."""
    def run(*words):
        done = subprocess.run(
            [program("vodbalance"), "-c", cluster.balancer.conf, "--json"]
            + list(words), capture_output=True, text=True, timeout=60)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, {
            (one["where"], one["check"]): one["state"] for one in found
        }, done.stdout + done.stderr
    node = "127.0.0.1:554"
    status, sound, out = run("--diagnose")
    for one in ("agent", "vip", "arp", "announce"):
        check(sound.get((node, one)) == "ok", out)
    values = cluster.agents[0].values
    for name, one in (("vip_on_lo", "vip"), ("arp_ignore", "arp"),
                      ("arp_announce", "announce")):
        right, values[name] = values[name], 0
        status, found, out = run("--diagnose", "127.0.0.1")
        values[name] = right
        check(status == 1 and all(
            found[key] == ("wrong" if key == (node, one) else sound[key])
            for key in found), out)
    within(10, "all ready", lambda: min(
        cluster.table.weights().values()) > 9000)
    status, found, out = run("--diagnose", "127.0.0.9")
    check(status == 1 and found == {("127.0.0.9", "service"): "wrong"}, out)
    missing = "tcp:127.0.0.101:554"
    status, found, out = run("-s", missing, "--diagnose")
    check(status == 1 and found[missing, "service"] == "wrong", out)
    say("ok: --diagnose")


def simulates(cluster):
    name = os.path.join(cluster.folder, "scenario")
    def run(text):
        with open(name, "w") as out:
            out.write(text)
        done = subprocess.run([program("vodbalance"), "--simulate", name],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr
    status, out = run('nodes = ( { count = 2; }, { capacity = "2 Gbit/s"; } );'
                      'titles = ( { bit_rate = "4 Mbit/s"; } );'
                      'load = 0.9; runs = 1; lengths = 2;')
    for word in ("rr ", "wlc, static ", "wlc, vodbalance ", "oracle "):
        check(status == 0 and out.count(word) == 1, out)
    weights = [int(line.split()[-1]) for line in out.splitlines()[-3:]]
    check(abs(weights[2] / weights[0] - 2) < 0.2, out)
    for text, said in (("nodes = ( );", "nodes: there have to be some"),
                       ("nodes = ( { } );", "titles: there have to be some"),
                       ("node = 1;", 'is "nodes" meant?')):
        status, out = run(text)
        check(status == 2 and said in out, out)
    say("ok: --simulate")


def tells(cluster):
    """Rounds of another process, while the first one stands still."""
    before = cluster.table.weights()
    cluster.balancer.process.send_signal(signal.SIGSTOP)
    cluster.agents[0].values["state"] = "drain"
    status, out, err = cluster.once("--dry-run", "--explain")
    check(status == 0 and "weight 0, was %d: drain" % before[
        cluster.server(1)] in out, out + err)
    status, out, err = cluster.once("--dry-run", "--json")
    nodes = [json.loads(line) for line in out.splitlines()]
    check(len(nodes) == 3 and nodes[0]["said"] == "drain" and
          nodes[1]["report"]["sessions"] == 500, out + err)
    check(cluster.table.weights() == before, "a dry run changed weights")
    status, out, err = cluster.once()
    check(status == 0 and cluster.weight(1) == 0, out + err)
    cluster.balancer.process.send_signal(signal.SIGCONT)
    cluster.agents[0].values["state"] = "ready"
    within(10, "all ready", lambda: min(
        cluster.table.weights().values()) > 9000)
    say("ok: --explain, --json, --dry-run, --once")


def checks(cluster):
    for state, status in (("drain", 2), ("ready", 255), ("down", 1)):
        cluster.agents[0].values["state"] = state
        check(cluster.misc(1) == status, "--misc-check of a node: " + state)
    cluster.agents[0].values["state"] = "ready"
    # which keepalived takes for "serves, and its weight stays"
    check(cluster.misc(9) == 0, "--misc-check of a machine without agent")
    cluster.agents[0].text = b"hello\n"
    check(cluster.misc(1) == 0, "--misc-check of nonsense")
    cluster.agents[0].text = None
    cluster.agents[0].hangs = True
    check(cluster.misc(1) == 0, "--misc-check of an agent that says nothing")
    cluster.agents[0].hangs = False
    within(10, "all ready", lambda: min(
        cluster.table.weights().values()) > 9000)
    say("ok: --misc-check")


def ends(cluster):
    before = cluster.table.weights()
    cluster.balancer.end()
    check(cluster.table.weights() == before, "its end changed weights")
    cluster.start()
    within(5, "a second one", lambda: cluster.agents[0].asked and
           cluster.balancer.log().count("balancer: starts") == 2)
    cluster.rounds(3)
    cluster.balancer.end(signal.SIGKILL)
    check(cluster.table.weights() == before, "a restart changed weights")
    with open(cluster.balancer.state, "w") as state:
        state.write("vodbalance 1\nnode x\n")
    cluster.start()
    within(5, "a third one", lambda: "is not used: line 2" in
           cluster.balancer.log())
    cluster.rounds(3)
    check(cluster.table.weights() == before, "a wrong state changed weights")
    cluster.balancer.end()
    say("ok: SIGTERM, SIGKILL, a wrong state: weights stay")


def show(cluster, parts):
    for number in (1, 2, 3):
        cluster.table.set(cluster.server(number), 100)
    try:
        for part in parts:
            part(cluster)
    except (Failed, OSError, ValueError) as problem:
        print("FAILED: %s" % problem)
        print(cluster.table.weights())
        if cluster.balancer:
            print(cluster.balancer.log()[-4000:])
        return 1
    finally:
        if cluster.balancer and cluster.balancer.process.poll() is None:
            cluster.balancer.process.kill()
            cluster.balancer.process.wait()
        for agent in cluster.agents:
            agent.end()
    return 0


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (
        1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        return show(Cluster(folder, Recorder(folder)), (
            begins, is_one_batch, follows, never_all, withstands, respects,
            keeps_thresholds, survives_ipvsadm, survives_the_table, files,
            reloads, asks_elsewhere, tells, checks, diagnoses,
            simulates, ends))


if __name__ == "__main__":
    sys.exit(main())
