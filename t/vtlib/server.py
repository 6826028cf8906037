# SPDX-License-Identifier: BSD-2-Clause
"""
server - a vodd of the play's own: started, watched, always ended.

It gets a folder of media, an instance name and a port that nobody else has;
what it logs is kept; that it crashed, or that a sanitizer spoke, is a failure
whatever the play says.
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from vtlib.net import patience

TROUBLE = re.compile(
    r"ERROR: \w*Sanitizer|runtime error: |Assertion .* failed"
    r"|LeakSanitizer|SUMMARY: \w*Sanitizer|stack smashing|double free"
    r"|free\(\): invalid|malloc\(\): |corrupted size")
count = 0


class Trouble(Exception):
    """The server is not as the play wants it."""


def program(name):
    """The program that was built, or the installed one."""
    for folder in (os.environ.get("VODD_BUILDDIR"), os.environ.get("builddir")):
        for below in ("", "src", "src/server", "src/stat"):
            path = os.path.join(folder or "/nowhere", below, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return os.path.abspath(path)
    return shutil.which(name) or shutil.which(
        name, path="/usr/local/sbin:/usr/sbin:/sbin")


def sanitized():
    """An instrumented build's memory tells nothing."""
    with open(program("vodd"), "rb") as binary:
        return b"__asan_init" in binary.read()


def free_port(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((host, 0))
    port = probe.getsockname()[1]
    probe.close()
    return port


def tcp_rows():
    """(local port, remote port, state, inode) of this machine's sockets."""
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = open(name).read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            yield (int(words[1].rsplit(":", 1)[1], 16),
                   int(words[2].rsplit(":", 1)[1], 16), words[3], words[9])


def children(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            text = open("/proc/%d/task/%s/children" % (pid, task)).read()
            found += [int(word) for word in text.split()]
    except OSError:
        pass
    return sorted(found)


def state_of(pid):
    try:
        text = open("/proc/%d/stat" % pid).read()
        return text[text.rindex(")") + 2]
    except OSError:
        return None


def name_of(pid):
    try:
        return open("/proc/%d/comm" % pid).read().strip()
    except OSError:
        return ""


class Server:
    def __init__(self, name, folder, say):
        global count
        count += 1
        self.name, self.say = name, say
        self.folder = folder
        self.media = None        # folder that is served
        self.own_media = os.path.join(folder, name + ".media")
        self.listen = ["127.0.0.1"]
        self.workers = None
        self.settings = []       # (name, value) for -o
        self.config = []         # lines of the configuration file
        self.by_file = False     # what -l, -r and -w say stands there too
        self.arguments = []
        self.instance = "vt%d-%d" % (os.getpid(), count)
        self.log_name = os.path.join(folder, "%s.log" % self.name)
        self.config_name = os.path.join(folder, self.name + ".conf")
        self.own_program = None  # else the one that was built
        self.blind = False       # vodstat cannot read its table
        self.process = None
        self.ports = []
        self.pids = []           # workers that must stay
        self.remembered = None
        self.orphans = []        # a killed master's workers

    # -- words of the play --

    def url(self, at=0):
        host = self.listen[at]
        return "rtsp://%s:%d" % ("[%s]" % host if ":" in host else host,
                                 self.ports[at])

    def media_path(self, name):
        path = os.path.join(self.own_media, name)
        if self.media is None:
            os.makedirs(self.own_media, exist_ok=True)
            os.chmod(self.own_media, 0o755)
            self.media = self.own_media
        os.makedirs(os.path.dirname(path), exist_ok=True)
        at = os.path.dirname(path)
        while at.startswith(self.own_media):
            os.chmod(at, 0o755)
            at = os.path.dirname(at)
        return path

    def write_media(self, name, data):
        path = self.media_path(name)
        with open(path + "~", "wb") as out:
            out.write(data)
        os.chmod(path + "~", 0o644)
        os.replace(path + "~", path)

    def open_media(self):
        """Run by root workers are nobody, whom a umask may have shut out."""
        if os.geteuid() != 0 or self.media == self.own_media or (
                not os.path.isdir(self.media)):
            return
        names = [name for name in os.listdir(self.media)
                 if os.path.isfile(os.path.join(self.media, name))]
        if all(os.stat(os.path.join(self.media, name)).st_mode & 0o004
               for name in names):
            return
        shut, self.media = self.media, None
        for name in names:
            shutil.copyfile(os.path.join(shut, name), self.media_path(name))
            os.chmod(self.media_path(name), 0o644)

    # -- its life --

    def command(self):
        found = self.own_program or program("vodd")
        words = [found, "-f", "-n", self.instance]
        if self.media is not None:
            self.open_media()
        self.write_config()
        words += ["-c", self.config_name]
        if not self.by_file:
            if self.media is not None:
                words += ["-r", self.media]
            for address in self.addresses():
                words += ["-l", address]
            if self.workers is not None:
                words += ["-w", str(self.workers)]
        for name, value in self.settings:
            words += ["-o", "%s=%s" % (name, value)]
        return words + self.arguments

    def addresses(self):
        return [("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
                for host, port in zip(self.listen, self.ports)]

    def copy_program(self, name="vodd"):
        """One of its own, in place of what stands there."""
        self.own_program = os.path.join(self.folder, self.name, "vodd")
        os.makedirs(os.path.dirname(self.own_program), exist_ok=True)
        self.remove_program()
        self.blind = name != "vodd"
        shutil.copyfile(program(name), self.own_program)
        os.chmod(self.own_program, 0o755)

    def script_program(self, text):
        self.remove_program()
        with open(self.own_program, "w") as out:
            out.write("#!/bin/sh\n" + text + "\n")
        os.chmod(self.own_program, 0o755)

    def remove_program(self):
        """Not written over: it runs."""
        if os.path.exists(self.own_program):
            os.unlink(self.own_program)

    def write_config(self):
        """One of its own, though empty: not what this machine has."""
        lines = list(self.config)
        if self.by_file:
            lines += [line for line in (
                'listen = ( "%s" );' % '", "'.join(self.addresses()),
                'media_root = "%s";' % self.media,
                'workers = %s;' % (self.workers or 0)) if not any(
                    given.split("=")[0].strip() == line.split("=")[0].strip()
                    for given in self.config)]
        with open(self.config_name, "w") as out:
            out.write("".join(line + "\n" for line in lines))
        os.chmod(self.config_name, 0o644)

    def launch(self):
        self.ports = self.ports or [free_port(host) for host in self.listen]
        words = self.command()
        self.say("%s: %s" % (self.name, " ".join(words)))
        environment = dict(os.environ)
        environment.pop("NOTIFY_SOCKET", None)
        environment.setdefault("ASAN_OPTIONS",
                               "detect_stack_use_after_return=1")
        with open(self.log_name, "ab") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, start_new_session=True)

    def listening(self):
        ports = {row[0] for row in tcp_rows() if row[2] == "0A"}
        return all(port in ports for port in self.ports)

    def start(self):
        given = list(self.ports)
        for _ in range(5):
            self.ports = list(given)
            at = os.path.getsize(self.log_name) if os.path.exists(
                self.log_name) else 0
            self.launch()
            end = time.monotonic() + 10 * patience()
            while time.monotonic() < end:
                if self.process.poll() is not None:
                    break
                if self.listening() and children(self.process.pid):
                    self.pids = self.settle()
                    return
                time.sleep(0.005)
            text = self.log()[at:]
            if self.process.poll() is None or given or not re.search(
                    "(?i)listens there|in use", text):
                break
        state = self.process.poll()
        self.end()
        raise Trouble("%s did not start (%s)" % (
            self.name, "still silent" if state is None else "exit %d" % state))

    def settle(self):
        """The workers' pids, once there are as many as there shall be."""
        end = time.monotonic() + 5 * patience()
        found, unready = [], ""
        while time.monotonic() < end:
            before, found = found, self.worker_pids()
            enough = (self.workers is None or self.by_file
                      or len(found) == int(self.workers))
            if found and found == before and enough:
                unready = self.unready(found)
                if not unready:
                    return found
            time.sleep(0.005)
        raise Trouble("%s has %d workers%s" % (
            self.name, len(found), "; " + unready if unready else ""))

    def unready(self, pids):
        """A sentence, unless the table tells of all of them."""
        if self.blind:
            return ""
        try:
            told = self.stat([])
        except Trouble as trouble:
            return str(trouble)
        heard = {one["pid"] for one in told.get("workers", [])
                 if one.get("heartbeat_age_ms") is not None}
        missing = set(pids) - heard
        return "the table does not tell of pid %d" % min(missing) if (
            missing) else ""

    def refused(self):
        """It must not start; its exit status."""
        self.ports = self.ports or [free_port(host) for host in self.listen]
        self.launch()
        try:
            status = self.process.wait(10 * patience())
        except subprocess.TimeoutExpired:
            self.end()
            raise Trouble("%s runs, and should not" % self.name)
        self.process = None
        return status

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_end(self, seconds):
        try:
            status = self.process.wait(seconds * patience())
        except subprocess.TimeoutExpired:
            raise Trouble("%s still runs after %g s" % (self.name, seconds))
        self.process = None
        return status

    def stop(self):
        """Orderly; what is wrong about its end is Trouble."""
        if self.process is None:
            return
        problem = self.crashed()
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(8 * patience())
            except subprocess.TimeoutExpired:
                problem = problem or "%s does not end by SIGTERM" % self.name
                status = 0
            if status != 0:
                problem = problem or "%s: exit status %d" % (self.name, status)
        self.end()
        problem = problem or self.spoken()
        if problem:
            raise Trouble(problem)

    def end(self):
        """Nothing of it is left, not even what a killed master left."""
        # by now another's process may have an orphan's number
        pids = [
            pid for pid in self.orphans if name_of(pid).startswith("vodd")]
        if self.process is not None and self.process.poll() is None:
            # who stands still forks nobody behind our back
            self.process.send_signal(signal.SIGSTOP)
            pids += [self.process.pid] + children(self.process.pid)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if self.process is not None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        self.process, self.orphans = None, []
        for left in ("/dev/shm/vodd." + self.instance,
                     *glob.glob("/run/vodd/%s.*" % self.instance)):
            try:
                os.unlink(left)
            except OSError:
                pass

    # -- looking at it --

    def worker_pids(self):
        """Without those that only wait for a worker's death."""
        pids = self.orphans if self.process is None else children(
            self.process.pid)
        return [pid for pid in pids
                if state_of(pid) not in (None, "Z")
                and name_of(pid).startswith("vodd worker")]

    def spare_pids(self):
        return [pid for pid in children(self.process.pid)
                if state_of(pid) not in (None, "Z")
                and name_of(pid).startswith("vodd spare")]

    def await_spares(self):
        """Each worker has one, for which the master holds a descriptor."""
        end = time.monotonic() + 5 * patience()
        while len(self.spare_pids()) != len(self.worker_pids()):
            if time.monotonic() > end:
                raise Trouble("%s has %d spares" % (
                    self.name, len(self.spare_pids())))
            time.sleep(0.01)

    def crashed(self):
        """A sentence, when it or a worker died unasked."""
        if self.process is None:
            return None
        if self.process.poll() is not None:
            return "%s died: status %d" % (self.name, self.process.poll())
        now = self.worker_pids()
        lost = [pid for pid in self.pids
                if pid not in now and not self.has_closed(pid)]
        if lost:
            return "%s: a worker died (pid %d)" % (self.name, lost[0])
        return self.spoken()

    def has_closed(self, pid):
        """It was told to, and its last connection has ended.  The master
        says so a little behind its end."""
        end = time.monotonic() + 0.5 * patience()
        while time.monotonic() < end:
            if re.search(r"worker has closed .*pid=%d\b" % pid, self.log()):
                return True
            time.sleep(0.01)
        return False

    def spoken(self):
        for line in self.log().splitlines():
            if TROUBLE.search(line):
                return "%s: %s" % (self.name, line)
        return None

    def log(self):
        try:
            with open(self.log_name, "rb") as log:
                return log.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def stat(self, options):
        found = program("vodstat")
        if found is None:
            raise Trouble("vodstat is not built")
        done = subprocess.run(
            [found, "-n", self.instance, "--json"] + options,
            capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise Trouble("vodstat: exit %d: %s" % (
                done.returncode, done.stderr.strip()))
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise Trouble("vodstat --json: %s" % error)

    def worker_of(self, client):
        """The pid of the worker that serves a client's connection."""
        mine, theirs = client.local()[1], client.port
        inodes = {row[3] for row in tcp_rows()
                  if row[0] == theirs and row[1] == mine}
        for pid in self.worker_pids():
            for link in self.links(pid):
                if link.startswith("socket:[") and link[8:-1] in inodes:
                    return pid
        raise Trouble("no worker of %s has %s's connection" % (
            self.name, client.name))

    def links(self, pid):
        """What a process's descriptors are."""
        found, folder = [], "/proc/%d/fd" % pid
        try:
            names = os.listdir(folder)
        except OSError:
            return found
        for name in names:
            try:
                found.append(os.readlink(os.path.join(folder, name)))
            except OSError:
                pass
        return found

    def descriptors(self):
        """Of master and workers, how many each: what must not grow.  Titles
        may stay open for a while."""
        def count(pid):
            return sum(1 for link in self.links(pid)
                       if not link.startswith(str(self.media) + "/"))
        return [count(self.process.pid)] + sorted(
            count(pid) for pid in self.worker_pids())

    def memory(self):
        """KiB of private and shared memory, in proportion (PSS)."""
        total = 0
        for pid in [self.process.pid] + self.worker_pids():
            try:
                text = open("/proc/%d/smaps_rollup" % pid).read()
            except OSError:
                continue
            total += int(re.search(r"(?m)^Pss:\s+(\d+)", text).group(1))
        return total

    def kill(self, pids, name):
        number = getattr(signal, "SIG" + name)
        for pid in pids:
            os.kill(pid, number)
        self.say("%s: %s to %s" % (self.name, name, pids))
        if name in ("KILL", "TERM", "SEGV", "ABRT", "BUS", "QUIT"):
            self.pids = [pid for pid in self.pids if pid not in pids]
