# SPDX-License-Identifier: BSD-2-Clause
"""
stage - what each test of the window begins and ends with: a desk and a server
of its own, and a word about how it went.
"""

import contextlib
import faulthandler
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time

from vtlib.net import patience
from vtlib.server import Server, Trouble, program
from windowlib.desk import Desk, Failed, Untold, missing

SOURCE = os.environ.get("srcdir", os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("builddir", os.getcwd())
BEGUN = time.monotonic()


def say(text):
    print("%5.1f  %s" % (time.monotonic() - BEGUN, text), flush=True)


def check(good, text):
    if not good:
        raise Failed(text)


def own_python():
    """Debian's modules are for Debian's Python, whatever comes first here."""
    system = "/usr/bin/python3"
    if importlib.util.find_spec("gi") is None and (
            os.path.exists(system) and "OWN_PYTHON" not in os.environ):
        os.environ["OWN_PYTHON"] = "no"
        os.execv(system, [system, *sys.argv])


def is_late(*ignored):
    """Where it stands is told, and what it started ends."""
    faulthandler.dump_traceback()
    raise Failed("it does not come to its end")


def is_lacking(lacking=lambda: None):
    """What is missing for a window, or by LACKING(), is told."""
    own_python()
    told = (program("vodplay") is None and "vodplay is not built"
            or missing() or lacking())
    if told:
        say("skipped: " + told)
    return bool(told)


def perform(name, seconds, play, lacking=lambda: None):
    """PLAY(desk, folder, server), within SECONDS; screenshots are kept below
    the build's t/NAME.  The exit status: 0 passed, 1 failed, 77 LACKING() says
    that something is missing, or it is Untold."""
    if is_lacking(lacking):
        return 77
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(1))
    signal.signal(signal.SIGALRM, is_late)
    signal.alarm(round(seconds * patience()))
    shots = os.path.join(BUILD, "t", name)
    shutil.rmtree(shots, ignore_errors=True)
    os.makedirs(shots)
    folder = tempfile.mkdtemp(prefix=name + "-")
    os.chmod(folder, 0o755)
    desk = Desk(folder, shots, program("vodplay"), say)
    server = Server("vodd", folder, say)
    try:
        desk.open()
        play(desk, folder, server)
        server.stop()
        say("passed in %.0f s, screenshots in %s" % (
            time.monotonic() - BEGUN, shots))
        return 0
    except Untold as reason:
        say("skipped: %s" % reason)
        return 77
    except Failed as failure:
        desk.shot("failed")
        say("FAILED: %s" % failure)
        say(desk.said())
        return 1
    finally:
        signal.alarm(0)
        desk.close()
        with contextlib.suppress(Trouble):
            server.stop()
        server.end()
        shutil.rmtree(folder, ignore_errors=True)
