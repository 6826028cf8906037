# SPDX-License-Identifier: BSD-2-Clause
"""
clients_kills - what ffmpeg decodes over TCP while all workers die ten times is
what it decodes from disk, frame for frame.

Exit status: 0 passed, 1 failed, 77 ffmpeg is missing.
"""

import concurrent.futures
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from clientslib import ffmpeg  # noqa: E402
from vtlib.net import patience  # noqa: E402
from vtlib.server import Server, Trouble  # noqa: E402

# Both are longer than that takes.
TITLES = ("sample.wmv", "noindex.wmv")
KILLS = 10
# Six deaths within five seconds would make the successor wait.
EVERY_S = 1.2
BOUND_S = 60


def play(server, name):
    """What is wrong with it."""
    path = os.path.join(server.media, name)
    try:
        wanted = ffmpeg.frames(path)
        got = ffmpeg.frames(server.url() + "/" + name,
                            ["-rtsp_transport", "tcp"],
                            bound=BOUND_S * patience())
    except ffmpeg.Failed as failed:
        return str(failed)
    return ffmpeg.difference(wanted, got)


def kill_all(server, plays):
    """Ten times, all that live; whether somebody watched each time."""
    watched = 0
    for number in range(KILLS):
        time.sleep(EVERY_S)
        watched += not any(job.done() for job in plays)
        server.kill(server.worker_pids(), "KILL")
    return watched


def perform(server):
    """A sentence for each thing that is wrong."""
    server.workers = 2
    source = os.path.join(os.environ["srcdir"], "media")
    for name in TITLES:
        with open(os.path.join(source, name), "rb") as file:
            server.write_media(name, file.read())
    server.start()
    with concurrent.futures.ThreadPoolExecutor(len(TITLES)) as pool:
        plays = [pool.submit(play, server, name) for name in TITLES]
        wait_for_sessions(server)
        watched = kill_all(server, plays)
        problems = ["%s: %s" % (name, job.result()) for name, job in zip(
            TITLES, plays) if job.result() is not None]
    if watched < KILLS:
        problems.append("%d of %d deaths came while all were watching" % (
            watched, KILLS))
    server.pids = server.settle()
    server.stop()
    return problems


def wait_for_sessions(server):
    end = time.monotonic() + 20 * patience()
    while server.stat([])["sessions_by_state"]["playing"] < len(TITLES):
        if time.monotonic() > end:
            raise Trouble("nobody plays")
        time.sleep(0.02)


def main():
    if shutil.which("ffmpeg") is None:
        print("skipped: ffmpeg is missing")
        return 77
    os.umask(0o022)
    folder = tempfile.mkdtemp(prefix="kills-")
    os.chmod(folder, 0o755)
    server = Server("vodd", folder, lambda text: None)
    try:
        problems = perform(server)
    except Trouble as trouble:
        problems = [str(trouble)]
    finally:
        server.end()
        log = server.log()
        shutil.rmtree(folder)
    for problem in problems:
        print("FAILED: " + problem)
    if problems:
        print(log[-4000:])
    else:
        print("ok: %d titles, %d deaths" % (
            len(TITLES), log.count("worker died lane=")))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
