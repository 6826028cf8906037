#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What vodd tells a service manager: a listener at NOTIFY_SOCKET sees READY,
# WATCHDOG, RELOADING and STOPPING, in that order and from the master only.
set -u
umask 022

[ "$PYTHON" != no ] || { echo "skipped: python3 is missing"; exit 77; }

# built --without-systemd it tells nothing
grep -q '^#define HAVE_SYSTEMD 1' "$builddir/config.h" ||
    { echo "skipped: built without libsystemd"; exit 77; }

scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/media"
"$PYTHON" - "$builddir/vodd" "$scratch" "notify-$$" <<'EOP'
import os
import signal
import socket
import subprocess
import sys
import time

program, scratch, name = sys.argv[1:]
conf = scratch + "/vodd.conf"
with open(conf, "w") as file:
    file.write('media_root = "%s/media";\nlisten = "127.0.0.1:0";\n' % scratch)

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(scratch + "/notify")
listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
environment = dict(os.environ, NOTIFY_SOCKET=scratch + "/notify",
                   WATCHDOG_USEC="2000000")
environment.pop("WATCHDOG_PID", None)
log = open(scratch + "/log", "w+b")
vodd = subprocess.Popen(
    [program, "-f", "-n", name, "-c", conf, "-w", "2"],
    env=environment, stdin=subprocess.DEVNULL, stderr=log)


def end(code, text):
    print(text)
    if vodd.poll() is None:
        vodd.kill()
        vodd.wait()
    if code:
        log.seek(0)
        print(log.read().decode())
    sys.exit(code)


def heard(limit=10):
    """The next message as a dictionary; only the master speaks."""
    listener.settimeout(limit)
    try:
        data, ancillary, _, _ = listener.recvmsg(4096, 256)
    except socket.timeout:
        end(1, "FAILED: silence for %d s" % limit)
    pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
    if pid != vodd.pid:
        end(1, "FAILED: process %d speaks, not %d" % (pid, vodd.pid))
    return dict(line.split("=", 1) for line in data.decode().split("\n"))


def until(word, limit=10):
    """Messages up to the one that has WORD=1."""
    passed = []
    until_time = time.monotonic() + limit
    while time.monotonic() < until_time:
        said = heard(limit)
        if said.get(word) == "1":
            print("ok: %s=1%s" % (word, " (%s)" % said["STATUS"]
                                  if "STATUS" in said else ""))
            return said, passed
        passed.append(said)
    end(1, "FAILED: no %s=1 within %d s" % (word, limit))


def never(word, passed):
    if any(word in said for said in passed):
        end(1, "FAILED: %s too early: %r" % (word, passed))


ready, passed = until("READY")
never("STOPPING", passed)
if "serving" not in ready.get("STATUS", ""):
    end(1, "FAILED: READY without STATUS: %r" % ready)

# At half the time asked for: two in a row are at most 2 s apart.
until("WATCHDOG")
first = time.monotonic()
until("WATCHDOG")
if time.monotonic() - first > 2:
    end(1, "FAILED: the watchdog would have bitten")

with open(conf, "a") as file:
    file.write('send_ahead = "20 ms";\n')
before = time.monotonic_ns() // 1000
vodd.send_signal(signal.SIGHUP)
reloading, passed = until("RELOADING")
never("READY", passed)
if not before <= int(reloading["MONOTONIC_USEC"]) <= \
        time.monotonic_ns() // 1000:
    end(1, "FAILED: MONOTONIC_USEC: %r" % reloading)
ready, passed = until("READY")
if "send_ahead" not in ready["STATUS"]:
    end(1, "FAILED: the outcome is not told: %r" % ready)

# A reload that is refused is over, too.
with open(conf, "a") as file:
    file.write("no_such_setting = 1;\n")
vodd.send_signal(signal.SIGHUP)
until("RELOADING")
ready, passed = until("READY")
if "no_such_setting" not in ready["STATUS"]:
    end(1, "FAILED: the refusal is not told: %r" % ready)

vodd.send_signal(signal.SIGTERM)
until("STOPPING")
if vodd.wait(15) != 0:
    end(1, "FAILED: exit status %d" % vodd.returncode)
end(0, "ok: it ends with 0")
EOP
