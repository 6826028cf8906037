#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
agent - vodagent beside a real vodd: what it says of a server that serves,
drains, is killed and comes back; who may ask; its metrics.

Exit status: 0 passed, 1 failed, 77 vodagent is not built.
"""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vtlib.net import patience  # noqa: E402
from vtlib.script import Failed, check, say, within  # noqa: E402
from vtlib.server import Server, Trouble, program  # noqa: E402

SOURCE = os.environ.get("srcdir", os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
NAMES = ["version", "node", "state", "capacity_bps", "committed_bps",
         "sessions", "sessions_playing", "max_sessions", "pressure", "load1",
         "heartbeat_age_ms", "vip_on_lo", "arp_ignore", "arp_announce",
         "rtsp_ok", "end"]
CAPACITY = 10000000
OPEN = "application/openmetrics-text"


class Agent:
    def __init__(self, folder, instance, name, options):
        self.log_name = os.path.join(folder, name + ".log")
        conf = os.path.join(folder, name + ".conf")
        with open(conf, "w") as out:
            out.write('user = "root";\n')
        words = [program("vodagent"), "-f", "-c", conf, "-n", instance,
                 "-l", "127.0.0.1:0", "-H", "127.0.0.1:0",
                 "-o", "capacity=%d Mbit/s" % (CAPACITY // 1000000)] + options
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(os.path.join(folder, name + ".notify"))
        self.words = []
        threading.Thread(target=self.listen, daemon=True).start()
        environment = dict(
            os.environ, NOTIFY_SOCKET=os.path.join(folder, name + ".notify"))
        with open(self.log_name, "wb") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment)
        match = within(5, "agent starts", lambda: re.search(
            r" load=127\.0\.0\.1:(\d+) http=127\.0\.0\.1:(\d+)", self.log()))
        self.load, self.http = int(match.group(1)), int(match.group(2))

    def log(self):
        with open(self.log_name, errors="replace") as log:
            return log.read()

    def ask(self, source="127.0.0.1", send=b""):
        """Connect, read, closed: the bytes."""
        text = b""
        with socket.create_connection(("127.0.0.1", self.load), 5,
                                      (source, 0)) as connection:
            if send:
                connection.sendall(send)
            try:
                while True:
                    more = connection.recv(4096)
                    if not more:
                        return text
                    text += more
            except ConnectionResetError:
                return text

    def report(self):
        """The first line, and a dictionary of the others."""
        lines = self.ask().decode("ascii").split("\n")
        check(lines.pop() == "", "the report's last line ends")
        names = [line.split(" ")[0] for line in lines[1:]]
        check(names == NAMES, "lines %s" % names)
        values = dict((line.split(" ") + [""])[:2] for line in lines[1:])
        check(lines[0].split(" ")[0] == values["state"],
              "%s, but state %s" % (lines[0], values["state"]))
        return lines[0], values

    def get(self, path, accept=None, method="GET"):
        request = urllib.request.Request(
            "http://127.0.0.1:%d%s" % (self.http, path), method=method)
        if accept:
            request.add_header("Accept", accept)
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.headers["Content-Type"], reply.read().decode()

    def end(self):
        """It ends when told to, and has done nothing wrong."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(5 * patience())
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("the agent does not end by SIGTERM")
        check(status == 0, "the agent's exit status is %d" % status)
        self.manager.shutdown(socket.SHUT_RDWR)
        self.manager.close()

    def listen(self):
        """To what a service manager is told: who tells waits until there is
        room for it."""
        try:
            while True:
                self.words += self.manager.recv(1000).decode().split("\n")
        except (OSError, ValueError):
            return


class Viewer:
    """RTSP over one connection; media are left unread."""

    def __init__(self, server):
        self.url = server.url() + "/sample.wmv"
        self.connection = socket.create_connection(
            ("127.0.0.1", server.ports[0]), 5)
        self.file = self.connection.makefile("rb")
        self.cseq, self.session = 0, None

    def request(self, method, url, *headers):
        self.cseq += 1
        lines = ["%s %s RTSP/1.0" % (method, url), "CSeq: %d" % self.cseq]
        lines += list(headers)
        if self.session:
            lines.append("Session: " + self.session)
        self.connection.sendall("\r\n".join(lines + ["", ""]).encode())
        status = self.file.readline().decode()
        check(" 200 " in status, "%s: %s" % (method, status))
        while True:
            line = self.file.readline().decode().strip()
            if not line:
                return
            if line.lower().startswith("session:"):
                self.session = line.split(":")[1].split(";")[0].strip()

    def play(self, transport="RTP/AVP/TCP;unicast;interleaved=0-1"):
        self.request("SETUP", self.url + "/stream=1",
                     "Transport: " + transport)
        self.request("PLAY", self.url)

    def end(self):
        self.file.close()
        self.connection.close()


# --- what is shown -----------------------------------------------------------

def agrees(agent, server):
    """The report's sums are vodstat's."""
    line, report = agent.report()
    told = server.stat([])
    pairs = [(report["committed_bps"], told["committed_bps"]),
             (report["sessions"], told["sessions"]),
             (report["sessions_playing"], told["sessions_by_state"]["playing"]),
             (report["max_sessions"], told["max_sessions"])]
    check(all(int(ours) == theirs for ours, theirs in pairs),
          "sums differ from vodstat's: %s" % pairs)
    share = 1 - int(report["committed_bps"]) / CAPACITY
    percent = int(100 * share * (1 - float(report["pressure"])) + 1e-6)
    check(line == "ready %d%%" % percent, "%s is not %d%%" % (line, percent))
    check(int(report["capacity_bps"]) == CAPACITY, "another capacity")
    return report


def serves(agent, server):
    within(5, "ready", lambda: agent.report()[0] == "ready 100%")
    viewer = Viewer(server)
    viewer.play()
    report = within(5, "a session that plays", lambda: (
        agent.report()[1]["sessions_playing"] == "1" and agrees(agent, server)))
    check(int(report["committed_bps"]) > 0, "a session needs no bit rate")
    within(5, "the server answers", lambda: agent.report()[1]["rtsp_ok"] == "1")
    say("ok: the first line is right, sums are vodstat's")
    return viewer


def drains(agent, server):
    def order(word):
        subprocess.run([program("vodd"), "-n", server.instance, "-s", word],
                       check=True, timeout=20, stdout=subprocess.DEVNULL)

    def said():
        told = server.stat([])["draining"]
        time.sleep(0.051)  # AGENT_FRESH_US
        return told, agent.report()[0]

    order("drain")
    within(5, "vodstat sees it", lambda: server.stat([])["draining"])
    check(said() == (True, "drain"), "no drain")
    order("undrain")
    within(5, "vodstat sees it", lambda: not server.stat([])["draining"])
    check(said()[1].startswith("ready "), "no end of the drain")
    say("ok: drain and undrain are seen at once")


def is_late(agent, server):
    """Workers that stand still send late; the node says so, and offers less,
    for as long as it is so."""
    def halts():
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.3)  # what is due now is late
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)  # it is sent
        return pressure() >= 0.25 and agent.report()[0].startswith("ready")

    def pressure():
        return float(agent.report()[1]["pressure"])

    viewer = Viewer(server)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
            sink.bind(("127.0.0.1", 0))
            port = sink.getsockname()[1]
            viewer.play("RTP/AVP;unicast;client_port=%d-%d" % (port, port))
            within(5, "packets are in time", lambda: pressure() < 0.15)
            within(10, "packets are late", halts)
            report = agrees(agent, server)  # so P is less, too
            most = float(report["pressure"])
            check(most > 0.15, "a pressure of %.2f" % most)
            within(10, "they are in time again", lambda: pressure() < 0.15)
            viewer.request("TEARDOWN", viewer.url)
            within(5, "the viewer has gone",
                   lambda: agent.report()[1]["sessions"] == "1")
    finally:
        viewer.end()
    say("ok: late packets are a pressure of %.2f, which goes away" % most)


def metrics(agent):
    kind, text = agent.get("/metrics")
    check(kind.startswith("text/plain"), kind)
    open_kind, open_text = agent.get("/metrics", OPEN)
    check(open_kind.startswith(OPEN), open_kind)
    check(open_text.endswith("# EOF\n"), "no EOF")
    check("# TYPE vodd_requests counter\nvodd_requests_total " in open_text,
          "a counter's name in OpenMetrics")
    check(re.search(r"^vodd_sessions\{state=\"playing\"\} 1$", text, re.M),
          "a session that plays")
    check(re.search(r"_start_delay_seconds_bucket\{le=\"\+Inf\"\} [1-9]", text),
          "a start in its histogram")
    labels = set(re.findall(r"[{,](\w+)=", text + open_text))
    check(labels == {"state", "reason", "le"}, "labels %s" % labels)
    status = json.loads(agent.get("/status.json")[1])
    check(status["state"] == "ready" and status["sessions_playing"] == 1,
          "status %s" % status)
    for path, method, code in (("/", "GET", 404), ("/metrics", "POST", 405)):
        try:
            agent.get(path, method=method)
            raise Failed("%s %s is answered" % (method, path))
        except urllib.error.HTTPError as error:
            check(error.code == code, "%s %s: %d" % (method, path, error.code))
    say("ok: /metrics in both spellings, /status.json")
    promtool = shutil.which("promtool", path=os.pathsep.join(
        [os.environ.get("PATH", ""),
         os.path.join(SOURCE, "build/unpacked/usr/bin")]))
    if promtool is None:
        say("left out: promtool is not here")
        return
    done = subprocess.run([promtool, "check", "metrics"], input=text,
                          capture_output=True, text=True, timeout=20)
    check(done.returncode == 0, "promtool: %s" % (done.stdout + done.stderr))
    say("ok: promtool finds nothing")


def withstands(agent):
    """What clients send or leave undone changes nothing for others."""
    idle = [socket.create_connection(("127.0.0.1", agent.load), 5)
            for _ in range(200)]
    check(agent.ask().endswith(b"end\n"), "no answer beside idle clients")
    check(agent.ask(send=b"x" * 3000).endswith(b"end\n"), "no answer to bytes")
    for connection in idle:
        connection.close()
    say("ok: 200 clients that stay keep nobody out")


def is_killed(agent, server):
    for pid in [server.process.pid] + server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    server.process.wait(10)
    server.process, server.pids = None, []
    line, report = within(5, "down", lambda: (
        agent.report()[0].startswith("down #") and agent.report()))
    check(line == "down #no worker is alive", line)
    within(5, "no answer", lambda: agent.report()[1]["rtsp_ok"] == "0")
    table = "/dev/shm/vodd." + server.instance
    os.unlink(table)
    within(5, "no table", lambda: (
        agent.report()[0] == "down #no server runs here"))
    check("vodd_workers" not in agent.get("/metrics")[1], "metrics of nothing")
    with open(table, "wb") as out:
        out.write(b"x" * 100000)
    within(5, "another table", lambda: "another version" in agent.report()[0])
    os.unlink(table)
    say("ok: a killed server, no table, no table of ours: down")
    server.start()
    within(5, "ready again", lambda: agent.report()[0].startswith("ready "))
    within(5, "it answers", lambda: agent.report()[1]["rtsp_ok"] == "1")
    check(agent.process.poll() is None, "the agent has ended")
    say("ok: a new server is found")


def refuses(folder, server):
    agent = Agent(folder, server.instance, "strict",
                  ["-o", "allow=127.0.0.2,192.0.2.0/24",
                   "-o", "say_up=true"])
    try:
        check(agent.ask() == b"", "an answer for whom allow does not name")
        check(re.match(rb"ready \d+% up\n", agent.ask("127.0.0.2")),
              "does not say up, as it is told to")
        try:
            agent.get("/metrics")
            raise Failed("metrics for whom allow does not name")
        except OSError:
            pass
        check("peer=127.0.0.1" in agent.log(), "nothing in the log")
    finally:
        agent.end()
    say("ok: allow")


def tells(agent):
    """Built without libsystemd it tells nothing."""
    words = [word for word in agent.words if word]
    check(not words or {"READY=1", "WATCHDOG=1"} <= set(words),
          "a service manager was told %s" % words)
    say("ok: what a service manager is told: %d messages" % len(words))


def needs_capacity(folder):
    conf = os.path.join(folder, "empty.conf")
    open(conf, "w").close()
    done = subprocess.run(
        [program("vodagent"), "-t", "-c", conf, "-o", "interface=lo"],
        capture_output=True, text=True, timeout=20)
    check(done.returncode == 2 and "set capacity" in done.stderr,
          "%d: %s" % (done.returncode, done.stderr))
    say("ok: no capacity, and it says what to set")


def show(folder):
    server = Server("vodd", folder, lambda text: None)
    server.media, server.workers = os.path.join(SOURCE, "media"), 2
    agent = viewer = None
    try:
        server.start()
        agent = Agent(folder, server.instance, "agent", [
            "-o", "rtsp=127.0.0.1:%d" % server.ports[0],
            "-o", "heartbeat_limit=1 s"])
        viewer = serves(agent, server)
        drains(agent, server)
        is_late(agent, server)
        metrics(agent)
        withstands(agent)
        refuses(folder, server)
        needs_capacity(folder)
        tells(agent)
        is_killed(agent, server)
        agent.end()
        server.stop()
    except (Failed, Trouble, OSError, ValueError) as problem:
        print("FAILED: %s" % problem)
        for log in ([agent.log()] if agent else []) + [server.log()]:
            print(log[-4000:])
        return 1
    finally:
        if viewer:
            viewer.end()
        if agent and agent.process.poll() is None:
            agent.process.kill()
            agent.process.wait()
        server.end()
    return 0


def main():
    if program("vodagent") is None:
        print("skipped: vodagent is not built (libmicrohttpd is missing)")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (
        1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        return show(folder)


if __name__ == "__main__":
    sys.exit(main())
