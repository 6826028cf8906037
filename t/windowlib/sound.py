# SPDX-License-Identifier: BSD-2-Clause
"""
sound - a sound device that nobody else has, and what came out of it: a
PulseAudio whose one sink plays into nothing, at its pace, and is recorded.
"""

import array
import glob
import itertools
import math
import operator
import os
import socket
import subprocess
import threading

from windowlib.desk import wait

HZ = 4410  # samples a second: enough for the notes of our titles
SILENT = 1  # rounding
UNPACKED = os.path.join(os.environ.get("srcdir", os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))),
    "build", "unpacked")
PROGRAM = os.path.join(UNPACKED, "usr", "bin", "pulseaudio")


def missing():
    """A sentence, or None."""
    if not os.access(PROGRAM, os.X_OK):
        return "PulseAudio is not in build/unpacked (contrib/selftest)"
    return None


def samples_of(seconds):
    return round(seconds * HZ)


def strength(samples):
    return math.sqrt(sum(map(operator.mul, samples, samples)))


def likeness(one, other):
    """1.0: the same but for its volume."""
    both = strength(one) * strength(other)
    return sum(map(operator.mul, one, other)) / both if both else 0.0


class Tune:
    """A title's sound as ffmpeg decodes it."""

    def __init__(self, path):
        self.samples = array.array("h", subprocess.run(
            ["ffmpeg", "-v", "error", "-i", path, "-vn", "-af",
             "aresample=async=1:first_pts=0", "-ac", "1", "-ar",
             str(HZ), "-f", "s16le", "-"],
            capture_output=True, stdin=subprocess.DEVNULL, check=True).stdout)
        # up to each sample
        self.energy = [0, *itertools.accumulate(
            map(operator.mul, self.samples, self.samples))]

    def find(self, piece, begin, end):
        """Which sample of those from BEGIN to END (seconds) PIECE begins
        with, and how alike it is."""
        def alike(at):
            here = self.energy[at + len(piece)] - self.energy[at]
            return sum(map(operator.mul, piece, self.samples[
                at:at + len(piece)])) / (math.sqrt(here) or 1)
        found = max(range(max(0, samples_of(begin)), samples_of(end)),
                    key=alike)
        return found, alike(found) / (strength(piece) or 1)


class Sound:
    """As long as it lives, time is a number of samples."""

    def __init__(self, desk):
        server = desk.environment["PULSE_SERVER"].removeprefix("unix:")
        record = server + ".record"
        modules, = glob.glob(UNPACKED + "/usr/lib/pulse-*/modules")
        libraries = [modules, *glob.glob(UNPACKED + "/lib/*-linux-*"),
                     *glob.glob(UNPACKED + "/usr/lib/*-linux-*"),
                     *glob.glob(UNPACKED + "/usr/lib/*-linux-*/pulseaudio")]
        form = "format=s16le channels=1 rate=%d" % HZ
        self.sockets = [server, record]
        self.process = desk.launch(
            ["env", "LD_LIBRARY_PATH=" + ":".join(libraries), PROGRAM, "-n",
             "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
             "--high-priority=no", "--realtime=no", "-p", modules,
             "-L", "module-null-sink sink_name=null norewinds=yes " + form,
             "-L", "module-simple-protocol-unix record=yes playback=no "
             "source=null.monitor socket=%s %s" % (record, form),
             "-L", "module-native-protocol-unix auth-anonymous=1 socket="
             + server])
        self.data = bytearray()
        self.recorder = socket.socket(socket.AF_UNIX)
        wait(lambda: os.path.exists(server)
             and self.recorder.connect_ex(record) == 0, "a sound device")
        # it gave up what it had of ours
        for thread in os.listdir("/proc/%d/task" % self.process.pid):
            os.sched_setscheduler(int(thread), os.sched_getscheduler(0),
                                  os.sched_getparam(0))
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                data = self.recorder.recv(65536)
            except OSError:
                return
            if not data:
                return
            self.data += data

    def die(self):
        self.process.kill()
        self.process.wait()
        for path in self.sockets:
            os.unlink(path)

    # -- what came out --

    def now(self):
        return len(self.data) // 2

    def heard(self, begin, end):
        return array.array("h", bytes(self.data[2 * begin:2 * end]))

    def is_silent(self, seconds=0.25):
        """Nothing was heard for so long."""
        now = self.now()
        last = self.heard(max(0, now - samples_of(seconds)), now)
        return max(map(abs, last), default=0) <= SILENT

    def is_heard(self):
        return not self.is_silent()

    def first_since(self, begin):
        """The first sample that was heard, once there was one."""
        wait(lambda: self.now() > begin and max(map(
            abs, self.heard(begin, self.now()))) > SILENT, "some sound")
        return next(begin + at for at, sample in enumerate(
            self.heard(begin, self.now())) if abs(sample) > SILENT)

    def last(self):
        """The last one that was heard, once it is silent."""
        wait(self.is_silent, "silence")
        now = self.now()
        while abs(self.heard(now - 1, now)[0]) <= SILENT:
            now -= 1
        return now

    def pass_by(self, seconds):
        """So much more comes out."""
        end = self.now() + samples_of(seconds)
        wait(lambda: self.now() >= end, "%g s of sound" % seconds,
             seconds + 2)
