#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
player-window - vodplay's window as a viewer has it: on a display of its own,
with a window manager, driven by keys and pointer, and read as somebody reads
it who does not see it.

What the screen shows is compared with what ffmpeg decodes.  Screenshots are
kept below the build's t/player-window-one/ and t/player-window-many/, to be
looked at.

usage: player-window.py [one | many | killed]...

One window that is used for long, many that are used for a moment, and a run
that is killed.

Exit status: 0 passed, 1 failed, 77 something is missing.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from clientslib.lossy import Lossy  # noqa: E402
from playerlib.commands import added  # noqa: E402
from vtlib.net import patience  # noqa: E402
from vtlib.server import Server, free_port, name_of, program  # noqa: E402
from windowlib import stage  # noqa: E402
from windowlib.desk import Failed, tied, wait  # noqa: E402
from windowlib.hosts import Answers, Files, Relay, listener  # noqa: E402
from windowlib.stage import SOURCE, check, say  # noqa: E402

MEDIA = os.environ.get("VODD_TEST_MEDIA", "")
PSNR_DB = 25.0


# --- pictures -------------------------------------------------------------

class Film:
    """A title as ffmpeg sees it."""

    def __init__(self, path):
        self.path = path
        done = subprocess.run(
            ["ffprobe", "-v", "error", "-select_streams", "v:0",
             "-show_entries", "stream=width,height:frame=pts_time", "-of",
             "json", path], capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        self.width = told["streams"][0]["width"]
        self.height = told["streams"][0]["height"]
        self.times = [float(frame["pts_time"]) for frame in told["frames"]]

    def at(self, seconds):
        """The number of the picture that is seen then."""
        earlier = [i for i, at in enumerate(self.times)
                   if at <= seconds + 0.001]
        return max(earlier) if earlier else 0

    def place(self, area):
        """Where it is seen in AREA (x, y, width, height), all of it."""
        x, y, width, height = area
        scale = min(width / self.width, height / self.height)
        seen = round(self.width * scale), round(self.height * scale)
        return (x + (width - seen[0]) // 2, y + (height - seen[1]) // 2,
                *seen)

    def decode(self, numbers, size, folder):
        """Pictures as files, scaled."""
        which = "+".join("eq(n\\,%d)" % number for number in numbers)
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-i", self.path, "-an", "-vf",
             "select=%s,scale=%d:%d:flags=bilinear" % (which, *size),
             "-fps_mode", "passthrough", os.path.join(folder, "f%d.png")],
            check=True, stdin=subprocess.DEVNULL)
        return [os.path.join(folder, "f%d.png" % (i + 1))
                for i in range(len(numbers))]


def psnr(one, other):
    done = subprocess.run(["compare", "-metric", "PSNR", one, other, "null:"],
                          capture_output=True, text=True)
    word = done.stderr.split()[0]
    return 99.0 if word in ("inf", "0") else float(word)


def crop(shot, place, out):
    subprocess.run(["convert", shot, "-crop", "%dx%d+%d+%d" % (
        place[2], place[3], place[0], place[1]), "+repage", out], check=True)
    return out


def brightness(path):
    done = subprocess.run(
        ["convert", path, "-colorspace", "Gray", "-format",
         "%[fx:mean] %[fx:standard_deviation]", "info:"],
        capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def contrast(shot, area):
    """Of letters with what is behind them, as WCAG counts it."""
    done = subprocess.run(
        ["convert", shot, "-crop", "%dx%d+%d+%d" % (
            area[2], area[3], area[0], area[1]), "+repage", "-colorspace",
         "LinearGray", "-format", "%[fx:minima] %[fx:maxima]", "info:"],
        capture_output=True, text=True, check=True)
    darkest, brightest = [float(word) for word in done.stdout.split()]
    return (brightest + 0.05) / (darkest + 0.05)


def session_of(server):
    """The one that it has, as it tells itself."""
    done = subprocess.run(
        [program("vodstat"), "-n", server.instance, "--json", "--sessions"],
        capture_output=True, text=True, check=True)
    sessions = json.loads(done.stdout)["session_list"]
    check(len(sessions) == 1, "not one session: %s" % sessions)
    return sessions[0]


# --- what is tested -------------------------------------------------------

class Test:
    def __init__(self, desk, folder, server):
        self.desk, self.folder, self.server = desk, folder, server
        self.server.media = os.path.join(SOURCE, "media")
        self.server.workers = 1
        self.server.start()
        self.relay = Relay(self.server.ports[0])
        # with the titles of VODD_TEST_MEDIA, and a relay before it
        self.other = self.media = None
        self.film = Film(os.path.join(SOURCE, "media", "sample.wmv"))
        self.files = Files(folder)

    def url(self, name="sample.wmv"):
        return self.relay.url(name)

    def open(self, player, address):
        player.open(address)

    def sentence(self, player, address, sentence):
        self.open(player, address)
        found = player.label(re.escape(sentence) if isinstance(sentence, str)
                             else sentence.pattern)
        player.label("Cannot play")
        say("  %s: %s" % (address.split("/")[-1], found.name))

    # -- one after the other --

    def names(self):
        """Each control has a name, whatever is on the screen."""
        player = self.desk.start()
        player.label("Stopped")
        self.desk.shot("welcome")
        there = player.widgets(True)
        nameless = [one for one in there if one.is_control() and not one.name]
        check(not nameless, "controls without a name: %s" % ", ".join(
            "%s at %s" % (one.role, one.area) for one in nameless))
        for name in ("Play", "Stop", "Previous title", "Next title", "Mute",
                     "Full screen", "Volume", "Position", "Menu",
                     "Open an address", "Properties and statistics"):
            check(any(one.name == name for one in there),
                  "nothing is called " + name)
        player.press("F1")
        player.label("Play or pause")
        self.desk.shot("keys")
        player.press("Escape")
        player.wait(lambda: not player.seen("label", "Play or pause"),
                    "the help closes")
        return player

    def dialog(self, player):
        """An address that is typed; what is wrong with it."""
        player.press("ctrl+l")
        entry = player.find("text", "Address")
        for wrong, sentence in (
                ("server/x", "An address begins with rtsp://, or is the path "
                             "of a file."),
                ("gopher://x/y", "Only rtsp://, rtspt://, rtspu://, http:// "
                                 "and files can be played."),
                ("rtsp:///x", "The name of the server is missing."),
                ("rtsp://a:0/x",
                 "The port is not a number from 1 to 65535.")):
            entry.set_text(wrong)
            player.label(re.escape(sentence))
            check(not player.find("push button", "Open").is_sensitive(),
                  "what is wrong can be opened: " + wrong)
        self.desk.shot("dialog")
        entry.set_text("")
        player.type(self.url())
        player.wait(lambda: entry.text() == self.url(),
                    "what is typed stands there: " + entry.text())
        player.press("Return")

    def begin(self, player):
        player.label("Playing [0-9.]+ [kM]bit/s")
        player.label("There is no sound device that works: .*")
        player.label("0:20")

    def hides(self, player):
        """What lies over the picture hides it, while it goes on beside."""
        player.press("i")
        transport = player.label("Transport")
        player.press("ctrl+v")  # a notice, for some seconds: nothing is copied
        covers = [(one.name, one.area) for one in (
            player.label("What was copied .*"), transport)]
        shots = [self.desk.shot("hides-%d" % i) for i in range(4)]
        check(player.seen("label", "What was copied .*"), "it went meanwhile")
        player.press("i")

        def alike(area):
            """PSNR of the last one and those before."""
            seen = [crop(shot, area, os.path.join(self.folder, "h%d.png" % i))
                    for i, shot in enumerate(shots)]
            return [psnr(one, seen[-1]) for one in seen[:-1]]
        check(min(alike(player.find(None, "Picture").area)) < 60,
              "the picture stands still")
        for name, area in covers:
            check(min(alike(area)) == 99, "the picture is seen in: " + name)
            check(contrast(shots[-1], area) >= 4.5, "not to be read: " + name)
        player.press("Home")  # all that took its time
        player.label("0:0[1-9]")

    def first_picture(self, player):
        """It is seen before the buffer is full."""
        self.relay.bytes_a_second = 40000
        self.open(player, self.url().replace("rtsp:", "rtspt:"))
        picture = player.find(None, "Picture")
        deadline = time.monotonic() + 10 * patience()
        while True:
            shot = self.desk.shot("first-picture")
            state = player.seen("label", "Connecting|(Buffering|Playing).*")
            seen = os.path.join(self.folder, "seen.png")
            if brightness(crop(shot, picture.area, seen))[1] > 0.1:
                break
            check(time.monotonic() < deadline, "there is no picture")
        check(state and not state.name.startswith("Playing"),
              "the first picture comes when the buffer is full: %s" % (
                  state and state.name))
        self.relay.bytes_a_second = None
        player.label("Playing.*")

    def compare(self, player, name, seconds=None):
        """What is seen is what ffmpeg decodes for that time."""
        if seconds is None:
            player.label("Paused")
            player.steady("Position")
            seconds = player.find("slider", "Position").value()
        area = player.find(None, "Picture").area
        place = self.film.place(area)
        shot = self.desk.shot(name)
        seen = crop(shot, place, os.path.join(self.folder, "seen.png"))
        at = self.film.at(seconds)
        near = [number for number in (at - 1, at, at + 1)
                if 0 <= number < len(self.film.times)]
        frames = self.film.decode(near, place[2:], self.folder)
        found = [psnr(seen, frame) for frame in frames]
        say("  at %.3f s: picture %d, PSNR of it and its neighbours %s" % (
            seconds, at, " ".join("%.1f" % value for value in found)))
        check(max(found) >= PSNR_DB, "another picture is seen")
        far = (at + len(self.film.times) // 2) % len(self.film.times)
        check(psnr(seen, *self.film.decode([far], place[2:], self.folder))
              < PSNR_DB, "any picture would do")
        return seconds

    def pause(self, player):
        player.press("space")
        player.press("Escape")
        player.wait(lambda: not player.seen("label", "(What was|There is).*"),
                    "what is said goes")
        check(self.compare(player, "paused") > 0, "it stands at 0")
        check(player.seen("push button", "Play"), "Pause is not Play now")

    def drag(self, player):
        """The time is told while it is dragged; there is one seek."""
        seek = player.find("slider", "Position")
        x, y, width, height = seek.area
        before = len(self.relay.requests)
        sessions = self.relay.count(b"DESCRIBE ")
        player.move(x + width // 4, y + height // 2)
        player.label("0:0[4-6]")
        self.desk.shot("pointed")
        player.button("down")
        for part in range(30, 62, 2):
            player.move(x + width * part // 100, y + height // 2)
        player.label("0:0[6-9]|0:1[0-2]")
        self.desk.shot("dragged")
        check(not self.relay.seeks(before), "a seek while it drags")
        player.button("up")
        player.wait(lambda: self.relay.seeks(before), "a seek")
        player.move(x + width // 2, y - 100)
        at = self.compare(player, "sought")
        check(at > 3, "it did not go on: %g" % at)
        check(len(self.relay.seeks(before)) == 1,
              "not one seek for one drag: %s" % self.relay.seeks(before))
        check(self.relay.count(b"DESCRIBE ") == sessions,
              "a seek by another connection")

    def screen(self, player):
        """Full screen by key and by double click, controls that hide."""
        x, y, width, height = player.frame_area()
        seconds = player.find("slider", "Position").value()
        player.press("f")
        player.wait(lambda: player.frame_area()[2:] == self.desk.size,
                    "the screen is full")
        player.wait(lambda: not player.seen("slider", "Position"),
                    "the controls hide", 8)
        self.desk.shot("full-screen")
        self.compare(player, "full-screen-compared", seconds)
        player.move(300, 300)
        player.move(310, 310)
        player.wait(lambda: player.seen("slider", "Position"),
                    "the controls come back")
        self.readable(player, "full-screen-controls", ("0:20",))
        player.press("Escape")
        player.wait(lambda: player.frame_area()[2:] == (width, height),
                    "the window is back")
        picture = player.find(None, "Picture").area
        player.move(picture[0] + 200, picture[1] + 100)
        player.click(2)
        player.wait(lambda: player.frame_area()[2:] == self.desk.size,
                    "a double click fills the screen")
        player.press("F11")
        player.wait(lambda: player.frame_area()[2:] == (width, height),
                    "F11 leaves it")

    def sound(self, player):
        volume = player.find("slider", "Volume")
        check(volume.value() == 1.0, "it does not begin loud")
        player.press("Down")
        player.wait(lambda: abs(volume.value() - 0.95) < 0.001, "quieter")
        player.press("Up")
        player.wait(lambda: volume.value() == 1.0, "louder")
        mute = player.find("toggle button", "Mute")
        player.press("m")
        player.wait(mute.is_checked, "mute")
        player.press("m")
        player.wait(lambda: not mute.is_checked(), "no longer mute")
        x, y, width, height = volume.area
        player.move(x + width // 2, y + height // 2)
        player.tool("click", 5)
        player.wait(lambda: abs(volume.value() - 0.95) < 0.001,
                    "quieter by the wheel, as by the key: %g" %
                    volume.value())
        x, y, width, height = player.find(None, "Picture").area
        player.move(x + width // 2, y + height // 2)
        for button, wanted in ((5, 0.9), (4, 0.95)):
            player.tool("click", button)
            player.wait(lambda: abs(volume.value() - wanted) < 0.001,
                        "the wheel over the picture")
        player.press("m")
        player.wait(mute.is_checked, "mute")
        player.press("Up")
        player.wait(lambda: not mute.is_checked(),
                    "who wants it louder wants to hear it")

    def details(self, player):
        """All of the panel; then on to the end, and again."""
        player.press("i")
        for name in ("Transport", "Bit rate", "Buffer", "Lost", "Recovered",
                     "Reordered", "Reconnects", "Server"):
            player.label(name)
        for name, text in (("Title", "vodd sample"),
                           ("Author", "The vodd project"),
                           ("Copyright", "CC0 1.0, no rights reserved"),
                           ("Transport", "UDP"), ("Lost", "0")):
            check(player.value(name) == text,
                  "%s is %s" % (name, player.value(name)))
        self.agree(player)
        player.label(r"127\.0\.0\.1:%d.*" % self.relay.port)
        self.desk.shot("details")
        player.press("i")
        player.wait(lambda: not player.seen("label", "Transport"),
                    "the panel closes")

    def agree(self, player):
        """What it says is what the server says of the session, or said a
        moment ago."""
        counts = []

        def agrees():
            counts.append(str(session_of(self.server)["packets_sent"]))
            return player.seen("label", "|".join(counts[-40:]))
        player.wait(agrees, "the server's count of packets")

    def counts(self, player):
        """What is lost on the way, late, and tried anew, as it happens."""
        between = Lossy(self.server.ports[0], 20, 15)
        self.open(player, "rtspu://127.0.0.1:%d/sample.wmv" % between.port)
        player.press("i")
        player.label("Playing.*")
        for name, count in (("Lost", lambda: between.lost),
                            ("Reordered", lambda: between.swapped),
                            ("Recovered", lambda: between.swapped)):
            player.wait(lambda: 0 < count() and abs(int(
                player.value(name) or -9) - count()) < 4, name)
        check(player.value("Reconnects") == "0", "it is another connection")
        self.desk.shot("counts")
        between.close()
        player.label("Reconnecting…")
        self.open(player, self.url().replace("rtsp:", "rtspt:"))
        player.label("Playing.*")
        player.wait(lambda: player.value("Transport") == "TCP", "TCP")
        self.relay.cut()
        # a server that is busy is tried more than once
        player.wait(lambda: int(player.value("Reconnects") or 0) > 0,
                    "it is tried anew")
        player.press("i")
        check(not player.seen("label", "There is no sound.*"),
              "said once more")

    def buttons(self, player):
        """What keys do, by the pointer, and from button to button."""
        self.open(player, os.path.join(self.folder, "list.asx"))
        player.label("Playing.*", 15)
        for name, pattern in (("Pause", "Paused"), ("Play", "Playing.*")):
            player.point(player.find("push button", name))
            player.label(pattern)
        for name, title in (("Next", b"audio.wma"), ("Previous", b"noindex")):
            found = player.find("push button", name + " title")
            found.wait_sensitive()
            player.point(found)
            player.wait(lambda: self.relay.last(b"PLAY ", title), name)
            player.label("Playing.*", 15)
        mute = player.find("toggle button", "Mute")
        for mutes in (True, False):
            player.point(mute)
            player.wait(lambda: mute.is_checked() == mutes, "mute")
        full = player.find("toggle button", "Full screen")
        player.point(full)
        player.wait(lambda: player.frame_area()[2:] == self.desk.size,
                    "the screen is full")
        player.press("f")
        player.wait(lambda: player.frame_area()[2:] != self.desk.size,
                    "the window is back")
        x, y, _, _ = player.find(None, "Picture").area
        player.move(x + 80, y + 80)
        player.tool("click", 3)
        player.find("menu item", "Close")
        self.desk.shot("menu-pointed")
        player.press("Escape")
        at = None
        while at != "Stop":
            player.press("Tab")
            at = player.wait(lambda: player.focus() not in (None, at)
                             and player.focus(), "Tab leads on from %s" % at)
        player.press("space")
        player.label("Stopped")
        player.press("Escape")

    def over(self, player):
        """What lies over the picture stays there while the picture moves."""
        x, y, _, height = player.find(None, "Picture").area
        spot = (x + 4, y + height // 2, 60, 60)
        seen = os.path.join(self.folder, "seen.png")

        def bright():
            return brightness(crop(self.desk.shot("over"), spot, seen))[0]
        player.press("space")
        player.label("Playing.*")
        player.wait(lambda: bright() > 0.3, "the picture is bright there")
        player.press("i")
        player.label("Transport")
        player.wait(lambda: bright() < 0.25, "the panel is dark")
        for _ in range(5):
            check(bright() < 0.25, "the picture is drawn over the panel")
        player.press("i")
        player.wait(lambda: bright() > 0.3, "the picture is back")
        if player.seen("label", "Ended"):  # all that took its time
            player.press("Left")
            player.label("Playing.*")
        player.press("space")
        self.compare(player, "over-gone")

    def end(self, player):
        player.press("space")
        player.label("Playing.*")
        player.press("Home")
        player.label("0:0[1-5]")
        self.relay.cut()
        self.relay.listen(False)
        player.label("Reconnecting…")
        self.desk.shot("reconnecting")
        self.relay.listen(True)
        player.label("Playing.*|Buffering .*|Ended", 15)
        player.press("s")
        player.label("Stopped")
        player.press("space")
        player.label("Playing.*", 15)
        player.press("Home")
        player.press("s")
        player.label("Stopped")
        player.find("push button", "vodd sample")
        self.desk.shot("recent")
        with open(os.path.join(self.desk.environment["XDG_STATE_HOME"],
                               "vodplay", "window")) as file:
            check(self.url() in file.read(), "it is not on disk yet")

    def lists(self, player):
        """Next, previous, alternatives; from a file and by HTTP."""
        self.files.write("list.asx", (
            "<ASX><ENTRY><TITLE>First</TITLE><REF HREF=\"%s\"/>"
            "<REF HREF='%s'/></ENTRY>\n<ENTRY><TITLE>Second</TITLE>"
            "<REF HREF=\"%s\"/></ENTRY></ASX>") % (
                self.url("nosuch.wmv"), self.url("noindex.wmv"),
                self.url("audio.wma")))
        self.files.write("list.m3u", "#EXTM3U\n#EXTINF:3,Only\nlist.asx\n")
        for address in (os.path.join(self.folder, "list.asx"),
                        self.files.url("list.m3u")):
            self.open(player, address)
            player.label("Playing.*", 15)
            player.find("push button", "Next title").wait_sensitive()
            player.wait(lambda: self.relay.last(b"PLAY ", b"noindex"),
                        "the alternative plays")
        player.press("n")
        player.wait(lambda: self.relay.last(b"PLAY ", b"audio.wma"),
                    "the second plays")
        player.label("Playing.*", 15)
        player.press("p")
        player.wait(lambda: self.relay.last(b"PLAY ", b"noindex"),
                    "the first plays")
        self.desk.shot("list")
        self.files.write("list.wax", (
            "<asx version='3.0'><entry><ref href='%s'/></entry></asx>"
        ) % self.url("lecture.wmv"))
        self.open(player, self.files.url("list.wax"))
        player.wait(lambda: self.relay.last(b"PLAY ", b"lecture"),
                    "what a .wax names plays")

    def fetching(self, player):
        """A server that says nothing to a play list: it is told, and can be
        stopped."""
        silent = listener()
        self.open(player, "http://127.0.0.1:%d/x.asx" %
                  silent.getsockname()[1])
        player.label("Fetching the play list")
        player.find("label", "x.asx")
        check(not player.seen("label", "The vodd project"),
              "what played before is told of")
        self.desk.shot("fetching")
        player.press("s")
        player.label("Stopped")
        player.find("push button", "Open Address…")
        silent.close()

    def errors(self, player):
        """Each is a sentence."""
        self.files.write("loop.asx",
                         "<asx><entryref href='loop.asx'/></asx>")
        self.files.write("page.asx", "<html>Not found</html>")
        self.files.write("text.wmv", "This is no film.\n" * 100)
        nobody = free_port("127.0.0.1")
        folder = self.folder
        table = [
            (self.url("nosuch.wmv"), "The server has no such title."),
            ("rtsp://127.0.0.1:%d/x" % nobody,
             "There is no server at 127.0.0.1, port %d." % nobody),
            (folder + "/nosuch.wmv", "There is no such title."),
            (folder + "/text.wmv",
             re.compile(r"This title cannot be played.*")),
            (folder + "/nosuch.asx", "There is no such play list."),
            (folder + "/page.asx", "This is not a play list."),
            (folder + "/loop.asx",
             "This play list leads from list to list."),
            (self.files.url("nosuch.asx"), "There is no such play list."),
            ("http://127.0.0.1:%d/x.asx" % nobody,
             "The server of this play list cannot be reached."),
        ]
        full = "The server is full"
        for status, text in (
                (401, "You are not allowed to watch this title."),
                (403, "You are not allowed to watch this title."),
                (453, re.compile(full + ": there is not enough bandwidth.*")),
                (503, re.compile(full + r"\. .*")),
                (415, "This title has a format that the server cannot "
                      "send."),
                (500, re.compile("The server refuses to play this title "
                                 r"\(500 .*\)\.")),
                (0, "The server closed the connection.")):
            table.append((self.answers.url(status), text))
        for address, sentence in table:
            self.sentence(player, address, sentence)
        self.desk.shot("error")
        check(player.seen("push button", "Try Again"), "no second try")

    def readable(self, player, name, patterns):
        """What is written differs from what is behind it (WCAG AA: 4.5)."""
        for pattern in patterns:
            one = player.label(pattern)
            player.wait(lambda: contrast(self.desk.shot(name), one.area)
                        >= 4.5, "%r can be read" % one.name)

    def paste(self, player):
        """What is copied is played; the dialog offers it; drops are taken."""
        player.press("ctrl+l")
        entry = player.find("text", "Address")
        entry.set_text(self.url("audio.wma"))
        player.press("ctrl+a")
        player.press("ctrl+c")
        player.press("Escape")
        player.wait(lambda: not player.seen("text", "Address"),
                    "the dialog closes")
        player.press("ctrl+v")
        player.wait(lambda: self.relay.last(b"PLAY ", b"audio.wma"),
                    "what was copied plays")
        player.press("ctrl+l")
        entry = player.find("text", "Address")
        player.wait(lambda: entry.text() == self.url("audio.wma"),
                    "the dialog offers what was copied")
        player.press("ctrl+a")
        player.press("BackSpace")
        player.wait(lambda: entry.text() == "", "it is empty")
        player.press("ctrl+v")
        player.wait(lambda: entry.text() == self.url("audio.wma"),
                    "it is pasted: " + entry.text())
        # one of the first: it shows without being scrolled to
        player.point(player.find("label", re.escape(
            self.url().replace("rtsp:", "rtspt:"))))
        player.wait(lambda: self.relay.last(b"PLAY ", b"sample.wmv"),
                    "what played before plays")
        player.press("ctrl+l")
        entry = player.find("text", "Address")
        entry.set_text("words")
        player.press("ctrl+a")
        player.press("ctrl+c")
        player.press("Escape")
        player.wait(lambda: not player.seen("text", "Address"),
                    "the dialog closes")
        player.press("ctrl+v")
        player.label("What was copied is not the address of a title.")
        player.press("Escape")

    def file(self, player):
        """Open File: a path is typed, a file is clicked."""
        player.press("i")
        home = self.desk.environment["HOME"]
        for folder, name in ((self.folder, "a film.wmv"),
                             (home, "clicked.wmv")):
            path = os.path.join(folder, name)
            shutil.copy(self.film.path, path)
            player.press("ctrl+o")
            opens = player.find("push button", "Open")
            if folder == home:
                x, y, width, height = player.find(None, name).area
                self.desk.shot("open-file")
                player.move(x + width // 2, y + height // 2)
                player.click(2)
            else:
                # empty, until what is typed has been looked for
                check(not opens.is_sensitive(), "nothing can be opened")
                player.type(path)
                opens.wait_sensitive()
                player.press("Return")
            player.wait(lambda: not player.seen("push button", "Open"),
                        "the dialog closes")
            player.label("file://.*/" + name.replace(" ", "%20"))
            player.label("Playing.*")
        self.open(player, "~/clicked.wmv")
        player.label(os.path.join(home, "clicked.wmv"))
        player.label("Playing.*")
        player.press("i")

    def drop(self, player):
        """A file of another program's is dropped on the picture."""
        if not glob.glob("/usr/lib/*/girepository-1.0/Gtk-3.0.typelib"):
            say("  skipped: GTK for Python is missing (gir1.2-gtk-3.0)")
            return
        x, y, width, height = player.find(None, "Picture").area
        x, y = x + width // 2, y + height // 2
        script = os.path.join(SOURCE, "t", "windowlib", "drag.py")
        with subprocess.Popen(
                [sys.executable, script, "file://" + os.path.abspath(
                    os.path.join(SOURCE, "media", "audio.wma"))],
                env=self.desk.environment, stdin=subprocess.DEVNULL) as other:
            def is_dropped():
                """Programs ask each other meanwhile, at their own pace; what
                was dropped begins before it is dropped once more."""
                if time.monotonic() < is_dropped.until:
                    return player.seen("label", "vodd audio sample")
                player.tool("search", "--sync", "--name", "^dragged$",
                            "mousemove", "--window", "%1", 20, 10,
                            "mousedown", 1, "mousemove", x - 40, y - 40,
                            "sleep", 0.1, "mousemove", x, y, "sleep", 0.1,
                            "mousemove", x + 2, y, "sleep", 0.1,
                            "mouseup", 1)
                is_dropped.until = time.monotonic() + 3
                return False
            is_dropped.until = 0
            try:
                player.wait(is_dropped, "what was dropped plays", 12)
            finally:
                other.kill()
        player.label("Playing.*")

    def caption(self, player, text):
        """It shows for a second: where the machine is busy it is looked for
        once more."""
        for _ in range(3):
            with contextlib.suppress(Failed):
                player.label(text, 12)
                return
            player.press("Home")
        player.label(text, 12)

    def lifted(self, player):
        """Captions go with a seek; in full screen they are above the controls,
        and below when those are hidden."""
        player.press("space")
        player.label("Paused")
        player.press("Home")
        player.wait(lambda: not player.seen("label", "sub [1-5]"),
                    "the caption goes with a seek")
        player.press("space")
        self.caption(player, "sub [1-5]")
        player.press("space")
        player.label("Paused")
        x, y, width, height = player.frame_area()
        player.press("f")
        player.wait(lambda: player.frame_area()[2:] == self.desk.size,
                    "the screen is full")

        def bottom():
            _, top, _, tall = player.label("sub [1-5]").area
            return top + tall

        def is_above():
            bar = player.seen("slider", "Position")
            return bar and bottom() <= bar.area[1]
        player.wait(is_above, "the caption is above the controls")
        self.desk.shot("caption-lifted")
        player.wait(lambda: not player.seen("slider", "Position"),
                    "the controls hide", 8)
        player.wait(lambda: bottom() > self.desk.size[1] - 40,
                    "the caption is where they were")
        player.press("Escape")
        player.wait(lambda: player.frame_area()[2:] == (width, height),
                    "the window is back")
        player.press("space")
        player.label("Playing.*")

    def commands(self, player):
        """Captions of a stream, in a file and from a server; of a header."""
        self.open(player, os.path.join(MEDIA, "script-commands.wmv"))
        self.caption(player, "sub 1")
        self.open(player, self.media.url("script-commands.wmv"))
        for text in ("sub 1", "some text here", "sub 4"):
            self.caption(player, text)
        self.desk.shot("caption")
        self.lifted(player)
        player.press("c")
        player.wait(lambda: not player.seen("label", "sub [1-5]"),
                    "captions are hidden")
        player.press("c")
        self.open(player, self.media.url("mini-caption.wmv"))
        player.label("0[01]:[0-9][0-9]")

    def tracks(self, player):
        """Another is chosen; it goes on from there."""
        for title, menu, by, name, wanted, left in (
                ("elephantsdream-en-fr.wmv", "Audio", 1, "Spanish, 64 kbit/s",
                 b"stream=2", b"stream=1"),
                ("assembled-mbr.wmv", "Video", 0, "English, 208 × 160, 10.*",
                 b"stream=3", b"stream=5")):
            self.open(player, self.media.url(title))
            player.label("Playing.*", 15)
            player.label("0:(0[2-9]|1[0-9])", 15)
            before = len(self.media.requests)
            bps = session_of(self.other)["committed_bps"]
            player.choose(menu, by, name)
            player.wait(lambda: self.media.count(b"PLAY ", before),
                        "it is asked for anew")
            asked = self.media.urls(b"SETUP ", before)
            check(any(wanted in one for one in asked)
                  and not any(left in one for one in asked),
                  "something else is asked for: %s" % asked)
            player.label("Playing.*", 15)
            asked = self.media.ranges(before)
            check(len(asked) == 1 and asked != [b"Range: npt=0.000-"],
                  "it does not go on from there, at once: %s" % asked)
            check(menu == "Audio" or
                  session_of(self.other)["committed_bps"] < bps,
                  "a smaller stream has no smaller bit rate")

    def local(self, player):
        """Of a file, where it goes on without beginning anew."""
        for title, menu, by, name, rate in (
                ("elephantsdream-en-fr.wmv", "Audio", 1,
                 "Spanish, .*, 64 kbit/s", "455"),
                ("assembled-mbr.wmv", "Video", 0,
                 "English, .* Media 9, 102 kbit/s", "154")):
            self.open(player, os.path.join(MEDIA, title))
            player.label("0:(0[1-9]|1[0-9])")
            player.choose(menu, by, name)
            player.label("Playing %s kbit/s" % rate)
            at = player.find("slider", "Position").value()
            check(at >= 1, "it began anew: %g" % at)
            chosen = [text for text, is_chosen in
                      player.listed(menu).items() if is_chosen]
            check(len(chosen) == 1 and re.fullmatch(name, chosen[0]),
                  "what is chosen is another: %s" % chosen)
            player.press("Escape")
            player.press("Escape")
            player.wait(lambda: not player.seen("menu item", "Close"),
                        "the menu closes")
            player.wait(lambda: player.find("slider", "Position").value()
                        > at, "it goes on")

    def titles(self):
        """With the files of VODD_TEST_MEDIA."""
        other = self.other = Server("media", self.folder, say)
        other.media, other.workers = MEDIA, 1
        other.start()
        try:
            self.media = Relay(other.ports[0])
            player = self.desk.start()
            for step in (self.commands, self.tracks, self.local):
                say("  " + step.__name__)
                step(player)
            player.close()
        finally:
            other.stop()

    def alike(self):
        """Streams that nothing tells apart have numbers in the menu."""
        path = os.path.join(self.folder, "alike.wma")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i",
             "sine=sample_rate=44100:duration=20", "-map", "0", "-map", "0",
             "-c:a", "wmav2", "-b:a", "64k", path],
            check=True, stdin=subprocess.DEVNULL)
        player = self.desk.start([path])
        player.label("Playing.*", 15)
        found = player.listed("Audio")
        check(re.fullmatch(r"WMA [^;]*, 64 kbit/s, Track 1: True; "
                           r"WMA [^;]*, 64 kbit/s, Track 2: False",
                           "; ".join("%s: %s" % one
                                     for one in sorted(found.items()))),
              "streams are not told apart: %s" % found)
        for _ in range(3):
            player.press("Escape")
        player.close()

    def keys(self):
        """Those that no other step presses."""
        rare = os.path.join(self.folder, "rare.wmv")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i",
             "testsrc2=size=160x120:rate=5", "-t", "40", "-g", "60", "-c:v",
             "wmv2", rare], check=True, stdin=subprocess.DEVNULL)
        player = self.desk.start([rare])

        def position():
            return player.find("slider", "Position").value()

        def sought(key, seconds):
            player.press(key)
            player.wait(lambda: abs(position() - seconds) < 0.5,
                        "%s leads to %g s, from %g" % (
                            key, seconds, position()))
        for state in ("Paused", "Playing.*", "Paused"):
            player.label("Playing.*|Paused")
            player.press("k")
            player.label(state)
        # key frames each 12 s: the first step is too short for one, the next
        # leads on from where it was to lead
        player.press("Right")
        player.steady("Position")
        for key, seconds in (("Right", 12), ("Right", 24), ("Left", 12)):
            sought(key, seconds)
        x, y, width, height = player.find("slider", "Position").area
        player.move(x + width // 2, y + height // 2)
        player.tool("click", 5)
        player.wait(lambda: position() < 0.5, "10 s back by the wheel")
        for key in ("ctrl+u", "ctrl+question"):
            player.press(key)
            player.find(*(("text", "Address") if key == "ctrl+u" else
                          ("label", "Play or pause")))
            player.press("Escape")
            player.wait(lambda: len([one for one in player.widgets()
                                     if one.role in ("frame", "dialog")]) == 1,
                        "the dialog closes")
        player.close("ctrl+w")

    def links(self):
        """A page that a title names is told of, and not opened."""
        page = listener()
        page.settimeout(0)
        address = "http://127.0.0.1:%d/next.asx?a=1&b=2" % (
            page.getsockname()[1])
        path = os.path.join(self.folder, "links.wmv")
        with open(self.film.path, "rb") as film, open(path, "wb") as out:
            out.write(added(film.read(), [(200, "URL", address)]))
        player = self.desk.start([path])
        link = "Link: " + re.escape(address)
        width = player.label(link).area[2]
        self.desk.shot("link")
        player.label("0:(0[1-9]|1[0-9])")
        player.press("f")
        player.wait(lambda: player.frame_area()[2:] == self.desk.size,
                    "the screen is full")
        player.press("Home")
        player.wait(lambda: player.label(link).area[2] > 1.3 * width,
                    "its letters are larger where the picture is")
        self.desk.shot("link-full-screen")
        with contextlib.suppress(BlockingIOError):
            raise Failed("it is opened by %s" % (page.accept()[1],))
        page.close()
        player.close()

    def small(self):
        """640 x 360, large letters, both looks: nothing is cut off."""
        for theme, scale in (("light", "1"), ("dark", "1.75")):
            name = "small-%s-%s" % (theme, scale)
            self.desk.prefer_dark(theme == "dark")
            player = self.desk.start([self.url()], GDK_DPI_SCALE=scale)
            player.label("Playing.*", 15)
            player.resize(640, 360)
            check(player.frame_area()[2:] == (640, 360),
                  "it does not become that small: %s" % (
                      player.frame_area(),))
            shot = self.desk.shot(name)
            x, y, width, height = player.find("slider", "Volume").area
            seen = os.path.join(self.folder, "seen.png")
            there = brightness(crop(shot, (x - 60, y - 2, 50, 3), seen))[0]
            check((there < 0.5) == (theme == "dark"), "it is not " + theme)
            player.inside()
            self.readable(player, name, ("Playing.*", "0:20"))
            for bar in ("Position", "Volume"):
                area = player.find("slider", bar).area
                check(contrast(shot, area) >= 3,
                      "%s is seen badly: %.1f" % (bar, contrast(shot, area)))
            player.press("i")
            player.press("Escape")  # the notice
            player.label("Transport")
            self.readable(player, name + "-details", ("Title", "Author"))
            player.press("i")
            player.press("s")
            player.label("Stopped")
            self.readable(player, name + "-stopped", ("Stopped", "0:00"))
            player.inside()
            player.press("F10")
            player.find("menu item", "Close")
            self.desk.shot(name + "-menu")
            player.press("Escape")
            player.press("ctrl+l")
            player.find("text", "Address")
            player.inside()
            self.desk.shot(name + "-dialog")
            player.press("Escape")
            player.wait(lambda: not player.seen("text", "Address"),
                        "the dialog closes")
            player.close()

    def named(self):
        """Long titles, and from right to left, in letters half as large
        again."""
        player = self.desk.start(GDK_DPI_SCALE="1.5")
        player.resize(640, 360)
        for name, words in (
                ("long", "The film with a title that goes on and on "),
                ("right-to-left", "סרט עם שם שאינו נגמר אף פעם ")):
            title = (words * 8).strip()
            path = os.path.join(self.folder, name + ".wma")
            subprocess.run(
                ["ffmpeg", "-v", "error", "-i",
                 os.path.join(SOURCE, "media", "audio.wma"), "-c", "copy",
                 "-metadata", "title=" + title, path],
                check=True, stdin=subprocess.DEVNULL)
            self.open(player, path)
            player.label(re.escape(words * 3) + ".*")
            player.press("Escape")
            player.wait(lambda: not player.seen("label", "There is no .*"),
                        "the notice goes")
            player.press("i")
            player.inside()
            self.desk.shot("name-" + name)
            player.press("i")
            player.press("s")
            player.label("Stopped")
            player.inside()
        self.desk.shot("name-recent")
        player.press("ctrl+l")
        player.find("text", "Address")
        player.inside()
        self.desk.shot("name-dialog")
        player.press("Escape")
        player.wait(lambda: not player.seen("text", "Address"),
                    "the dialog closes")
        player.close()

    def looks(self):
        """Dark by the menu, the next time too; what played can be
        forgotten."""
        seen = os.path.join(self.folder, "seen.png")

        def is_dark():
            return brightness(crop(self.desk.shot("looks"), (
                x - 60, y - 2, 50, 3), seen))[0] < 0.5
        self.desk.prefer_dark(False)
        for before, presses in ((False, 8), (True, 8), (False, 2)):
            player = self.desk.start()
            player.label("Stopped")
            player.label("Recent titles")
            x, y, _, _ = player.find("slider", "Volume").area
            player.wait(lambda: is_dark() == before, "the look is kept")
            player.press("F10")
            player.find("menu item", "Close")
            for _ in range(presses):
                player.press("Down")
            player.press("Return")
            if presses == 8:
                player.wait(lambda: is_dark() != before, "another look")
            else:
                player.wait(lambda: not player.seen("label", "Recent titles"),
                            "they are forgotten")
            player.close()

    def nearby(self):
        """A list that is named from its folder is found again from another."""
        self.files.write("near.asx", "<asx><entry><ref href='%s'/></entry>"
                         "</asx>" % os.path.abspath(self.film.path))
        player = self.desk.start(["near.asx"], folder=self.folder)
        player.label("Playing.*")
        player.press("s")
        player.label("Stopped")
        player.find("push button", os.path.join(self.folder, "near.asx"))
        player.close()

    def bare(self):
        """Neither sound, nor OpenGL, nor a bus: pictures go on."""
        player = self.desk.start([self.url()], blind=True,
                                 DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere",
                                 AT_SPI_BUS_ADDRESS="unix:path=/nowhere")
        deadline = time.monotonic() + 20 * patience()
        while brightness(self.desk.shot("bare"))[1] < 0.15:
            check(time.monotonic() < deadline, "no picture without a bus")
        said = player.said()
        check(said.count("no OpenGL by hardware here, pictures are drawn "
                         "without it") == 1, "not said once: " + said)
        player.close()

    def one_window(self):
        self.answers = Answers()
        steps = [self.dialog, self.begin, self.hides, self.pause, self.drag,
                 self.screen, self.sound, self.details, self.over, self.end,
                 self.first_picture,
                 self.lists, self.buttons, self.fetching, self.counts,
                 self.paste, self.file, self.drop,
                 self.errors]
        say("names")
        player = self.names()
        for step in steps:
            say(step.__name__)
            step(player)
        player.close()

    def many_windows(self):
        steps = [self.nearby, self.looks, self.alike, self.keys, self.links,
                 self.named, self.small, self.bare]
        if os.path.isdir(MEDIA):
            steps.insert(0, self.titles)
        for step in steps:
            say(step.__name__)
            step()


def idle(test):
    """One window that nothing is done with."""
    test.desk.start()
    signal.pause()


def killed(test):
    """What runs side by side ends with who started it, though that is killed:
    nothing is left of it."""
    mark = "PLAYER_WINDOW_MARK=%d" % os.getpid()

    def left():
        found = []
        for name in glob.glob("/proc/[0-9]*/environ"):
            with contextlib.suppress(OSError), open(name, "rb") as file:
                if mark.encode() in file.read().split(b"\0"):
                    found.append(name_of(int(name.split("/")[2])))
        return sorted(found)
    with subprocess.Popen(
            [sys.executable, __file__, *IDLE],
            env=dict(test.desk.environment, **dict([mark.split("=")])),
            stdout=subprocess.DEVNULL) as run:
        try:
            wait(lambda: left().count("vodplay") == len(IDLE), "idle windows",
                 15)
            say("  " + " ".join(left()))
        finally:
            run.kill()
    wait(lambda: not left(), "nothing is left: %s" % left())


PARTS = {"one": Test.one_window, "many": Test.many_windows, "killed": killed}
IDLE = "idle-1", "idle-2"
INNER = dict(PARTS, **dict.fromkeys(IDLE, idle))


def main():
    """Several parts each at a display of its own, side by side."""
    names = sys.argv[1:] or list(PARTS)
    if len(names) == 1:
        part = INNER[names[0]]
        return stage.perform("player-window-" + names[0], 300,
                             lambda *of: part(Test(*of)))
    if stage.is_lacking():
        return 77
    parts = [subprocess.Popen(tied([sys.executable, __file__, name]))
             for name in names]
    ends = {part.wait() for part in parts}
    return 1 if ends - {0, 77} else max(ends)


if __name__ == "__main__":
    sys.exit(main())
