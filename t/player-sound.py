#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
player-sound - what is heard of vodplay: the sound that comes out of a device
is the title's, whole, and where its pictures are.

The device is a PulseAudio of the test's own, which records what it plays.

Exit status: 0 passed, 1 failed, 77 something is missing, or the machine is too
busy for sound.
"""

import contextlib
import glob
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from playerlib import silent  # noqa: E402
from windowlib import sound, stage  # noqa: E402
from windowlib.desk import Failed, Untold  # noqa: E402
from windowlib.sound import HZ, Sound, Tune, samples_of  # noqa: E402
from windowlib.stage import check, say  # noqa: E402

AUDIO = 2  # the stream of sample.wmv
BEGINS_MS = 1000
LATE_MS = 100  # of the 200 that are buffered
PIECE_S = 0.25
TELLING_S = 0.6  # there are two notes in it at least
ALIKE = 0.85  # up to half a sample beside each other
FIT_S = 0.1
KEY_S = 3  # from one key frame to the next
SETTLES_S = 0.3  # a device that starts is wrong about its time, by a millisecond
UNTOLD_S = 0.1  # from its start, which ffmpeg leaves out
GONE = "There is no sound device that works: the title plays without sound."


class Test:
    def __init__(self, desk, folder, server):
        path = os.path.join(stage.SOURCE, "media", "sample.wmv")
        with open(path, "rb") as sample:
            data = sample.read()
        server.write_media("sample.wmv", data)
        server.write_media("late.wmv", silent.without(
            data, AUDIO, BEGINS_MS))
        server.workers = 1
        server.start()
        self.desk, self.url, self.path = desk, server.url(), path
        self.tune = Tune(path)
        self.sound = Sound(desk)
        self.begun = 0
        self.lag = 0  # of what is heard behind the title's start

    def position(self, player):
        return player.find("slider", "Position").value()

    def find(self, at, begin, end):
        """What is heard from AT on is the title's, of the seconds from BEGIN
        to END; which second it is."""
        piece = self.sound.heard(at, at + samples_of(TELLING_S))
        found, alike = self.tune.find(piece, begin, end)
        check(alike > ALIKE, "what is heard is not the title's from %g to "
              "%g s: %.3f" % (begin, end, alike))
        self.lag = at - found
        return found / HZ

    def pieces(self, begin, end):
        """Of what is heard, each with what it should be."""
        length = samples_of(PIECE_S)
        for at in range(begin, end - length, length):
            there = at - self.lag
            yield (self.sound.heard(at, at + length),
                   self.tune.samples[there:there + length])

    def compare(self, begin, end, volume=1.0):
        """Nothing is missing, put in or late, and it is as loud as VOLUME."""
        begin = max(begin, self.lag + samples_of(UNTOLD_S))
        alike = [sound.likeness(*pair) for pair in self.pieces(begin, end)]
        loud = [sound.strength(one) / sound.strength(other)
                for one, other in self.pieces(begin, end)]
        say("  from %.2f to %.2f s: %d pieces, alike %.3f to %.3f, as loud "
            "%.3f to %.3f" % ((begin - self.lag) / HZ, (end - self.lag) / HZ,
                              len(alike), min(alike), max(alike), min(loud),
                              max(loud)))
        check(min(alike) > ALIKE, "a piece of it is not the title's")
        check(max(abs(one / volume - 1) for one in loud) < 0.1,
              "it is not as loud as it should be: %g" % volume)

    def fits(self, player):
        """It ended where the picture stands."""
        last = (self.sound.last() - self.lag) / HZ
        player.label("Paused")
        player.steady("Position")
        at = self.position(player)
        say("  picture at %.3f s, sound up to %.3f s" % (at, last))
        check(abs(at - last) < FIT_S, "the sound is not where the picture is")
        return at

    # -- one after the other --

    def begin(self, player):
        """From its first sample on, as soon as it says that it plays."""
        player.label("Playing.*", 15)
        said = self.sound.now()
        first = self.sound.first_since(self.begun)
        say("  heard %.2f s after 'Playing'" % ((first - said) / HZ))
        check(first - said < samples_of(0.3), "it is late")
        self.sound.pass_by(1.5)
        begins = self.find(first + samples_of(0.1), 0, 0.3) - 0.1
        check(abs(begins) < 0.02, "it begins at %.3f s" % begins)
        self.compare(first, self.sound.now())

    def mute(self, player):
        player.press("m")
        player.wait(self.sound.is_silent, "silence")
        self.sound.pass_by(0.3)
        check(self.sound.is_silent(0.5), "it is heard though it is mute")
        begin = self.sound.now()
        player.press("m")
        begin = self.sound.first_since(begin) + samples_of(0.1)
        self.sound.pass_by(0.8)
        self.compare(begin, self.sound.now())

    def volume(self, player):
        """Half of the slider is an eighth: as the ear hears it."""
        slider = player.find("slider", "Volume")
        for _ in range(10):
            player.press("Down")
        player.wait(lambda: abs(slider.value() - 0.5) < 0.001, "half")
        self.sound.pass_by(0.3)
        begin = self.sound.now()
        self.sound.pass_by(0.6)
        self.compare(begin, self.sound.now(), 1 / 8)
        for _ in range(10):
            player.press("Up")
        player.wait(lambda: slider.value() == 1.0, "all of it")

    def resume(self, player, begin):
        """It is heard from where the picture stands."""
        at = self.position(player)
        player.press("space")
        first = self.sound.first_since(begin)
        self.sound.pass_by(TELLING_S + 0.4)
        settled = first + samples_of(SETTLES_S)
        begins = self.find(settled, at, at + 0.6) - SETTLES_S
        say("  picture from %.3f s, sound from %.3f s" % (at, begins))
        check(abs(begins - at) < FIT_S, "the sound goes on elsewhere")
        self.compare(settled, self.sound.now())

    def pause(self, player):
        player.press("space")
        self.fits(player)
        self.sound.pass_by(0.3)
        check(self.sound.is_silent(0.5), "it is heard though it pauses")
        self.resume(player, self.sound.now())

    def seek(self, player):
        """Of a title that pauses."""
        player.press("space")
        before = self.fits(player)
        player.press("Home")
        player.wait(lambda: self.position(player) < before, "it is sought")
        player.steady("Position")
        self.sound.pass_by(0.3)
        check(self.sound.is_silent(0.5), "it is heard though it pauses")
        self.resume(player, self.sound.now())

    def late(self, player):
        """Sound that begins late is heard where it belongs."""
        player.press("s")
        begin = self.sound.last()
        player.open(self.url + "/late.wmv")
        settled = self.sound.first_since(begin) + samples_of(SETTLES_S)
        self.sound.pass_by(1)
        begins = self.find(settled, 0.5, 3) - SETTLES_S
        say("  heard from %.3f s" % begins)
        self.compare(settled, self.sound.now())
        player.press("space")
        self.fits(player)

    def language(self, player):
        """Of a file another is chosen, and is what is heard."""
        path = os.path.join(self.desk.folder, "two.wmv")
        other = os.path.join(stage.SOURCE, "media", "audio.wma")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", self.path, "-i", other, "-map",
             "0", "-map", "1", "-metadata:s:a:0", "language=eng",
             "-metadata:s:a:1", "language=fre", "-c", "copy", path],
            check=True, stdin=subprocess.DEVNULL)
        player.open(path)
        player.label("Playing.*")
        player.choose("Audio", 1, "French, .*")
        # what was decoded of the first is heard to its end
        self.sound.pass_by(1.5)
        begin = self.sound.now()
        at = self.position(player)
        self.sound.pass_by(TELLING_S)
        heard = self.sound.heard(begin, begin + samples_of(TELLING_S))
        found, alike = Tune(other).find(heard, at - 1, at + 1.5)
        say("  as alike as %.3f, at %.1f s" % (alike, found / HZ))
        check(alike > ALIKE, "it is another that is heard")

    def lose(self, player):
        """The device goes: pictures go on, and it is said once.  It comes
        back, and the next title is heard."""
        player.press("space")
        player.wait(self.sound.is_heard, "sound")
        at = self.position(player)
        self.sound.die()
        player.label(GONE)
        player.label("Playing.*", 15)
        back = self.position(player)
        player.wait(lambda: self.position(player) > at + 0.5,
                    "pictures go on")
        say("  lost at %.3f s, on from %.3f s" % (at, back))
        check(back > (at - FIT_S) // KEY_S * KEY_S, "they do not go on from there")
        self.desk.shot("gone")
        self.sound = Sound(self.desk)
        player.open(self.path)
        player.wait(self.sound.is_heard, "the next title is heard", 15)

    def hush(self, player):
        """What was said goes."""
        player.press("Escape")
        player.wait(lambda: not player.seen("label", GONE), "the notice goes")

    def returns(self, player):
        """It goes and comes back while the title pauses."""
        self.hush(player)
        player.press("space")
        player.label("Paused")
        self.sound.die()
        self.sound = Sound(self.desk)
        player.press("space")
        player.wait(self.sound.is_heard, "it is heard again", 15)
        check(not player.seen("label", GONE), "it is said to be missing")

    def lacks(self, player):
        """It goes while nothing plays: that is said once, of the first of
        the titles; and they are heard again when it is back."""
        player.press("s")
        player.label("Stopped")
        self.sound.die()
        player.open(self.path)
        player.label(GONE)
        player.label("Playing.*")
        self.hush(player)
        player.open(self.url + "/sample.wmv")
        player.label("0:0[1-9]")
        check(not player.seen("label", GONE), "it is said once more")
        self.sound = Sound(self.desk)
        player.open(self.path)
        player.wait(self.sound.is_heard, "the next title is heard", 15)

    def waited_ms(self, player):
        """So long threads of vodplay's and of the device's might have run,
        and others did."""
        waited = 0
        for process in (player.process, self.sound.process):
            for name in glob.glob("/proc/%d/task/*/schedstat" % process.pid):
                with contextlib.suppress(OSError), open(name) as file:
                    waited += int(file.read().split()[1]) / 1e6
        return waited

    def perform(self, step, player):
        """Sound breaks off, too, on a machine that has too much else to do:
        then nothing is told by it."""
        say(step.__name__)
        before = self.waited_ms(player)
        try:
            step(player)
        except Failed as failure:
            waited = self.waited_ms(player) - before
            say("  %s; %.0f ms without a processor" % (failure, waited))
            if waited > LATE_MS:
                raise Untold("the machine has too much else to do")
            raise

    def run(self):
        player = self.desk.start([self.url + "/sample.wmv"])
        for step in (self.begin, self.mute, self.volume, self.pause,
                     self.seek, self.late, self.lose, self.returns,
                     self.lacks, self.language):
            self.perform(step, player)
        say("%.0f ms without a processor, in all" % self.waited_ms(player))
        player.close()


if __name__ == "__main__":
    # others' tests fill the machine beside it
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    sys.exit(stage.perform("player-sound", 120,
                           lambda *of: Test(*of).run(), sound.missing))
