# SPDX-License-Identifier: BSD-2-Clause
"""
desk - a display with a window manager and buses that nobody else has, and
players on it: keys and pointer by xdotool, what is there by AT-SPI.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time

from playerlib.vodplay import SANITIZERS
from vtlib.net import patience
from vtlib.server import sanitized

PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox", "dbus-daemon": "dbus-daemon",
            "xdotool": "xdotool", "import": "imagemagick",
            "ffmpeg": "ffmpeg", "setpriv": "util-linux"}
CONTROLS = ("push button", "toggle button", "slider", "text", "menu item",
            "check menu item", "radio menu item", "menu")
# AtspiRole, of what is asked for
ROLES = {8: "check menu item", 16: "dialog", 23: "frame", 29: "label",
         33: "menu", 35: "menu item", 43: "push button", 45: "radio menu item",
         49: "scroll pane", 51: "slider", 61: "text", 62: "toggle button",
         79: "entry"}
SIZE = (1280, 800)
WALK_AFTER_S = 1.0
HARMLESS = (
    # GTK's file chooser says so of keys while its entry comes
    "WIDGET_REALIZED_FOR_EVENT",)
ATSPI = "org.a11y.atspi."
STATES = {"CHECKED": 4, "FOCUSED": 12, "PRESSED": 20, "SENSITIVE": 24,
          "SHOWING": 25}


# It crashes by itself at times, when it looks at a thread that is about to end.
LEAKS_UNTOLD = "LeakSanitizer has encountered a fatal error"


class Failed(Exception):
    pass


class Untold(Exception):
    """Whether it is right cannot be told here, at this moment."""


def tied(words):
    """A program that ends when who started it does, however that ends."""
    return ["setpriv", "--pdeathsig", "TERM", *words]


def missing():
    """A sentence, or None."""
    for name, package in PROGRAMS.items():
        if shutil.which(name) is None:
            return "%s is missing (package %s)" % (name, package)
    if not any(os.path.exists(os.path.join(folder, "at-spi-bus-launcher"))
               for folder in ("/usr/libexec", "/usr/lib/at-spi2-core")):
        return "at-spi-bus-launcher is missing (package at-spi2-core)"
    if importlib.util.find_spec("gi") is None:
        return "GLib for Python is missing (package python3-gi)"
    return None


def joined(states):
    return states[0] | states[1] << 32


class Bus:
    """The accessibility bus, spoken to directly: the library for it keeps a
    cache and waits for ever at times."""

    def __init__(self):
        from gi.repository import Gio, GLib
        session = Gio.bus_get_sync(Gio.BusType.SESSION, None)
        address = session.call_sync(
            "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress",
            None, None, 0, 5000, None).unpack()[0]
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        # applications tell of themselves when somebody is there to listen
        self.call(("org.a11y.atspi.Registry", "/org/a11y/atspi/registry"),
                  ATSPI + "Registry", "RegisterEvent",
                  GLib.Variant("(s)", ("window:create",)))

    def call(self, place, interface, method, arguments=None):
        return self.connection.call_sync(
            *place, interface, method, arguments, None, 0, 5000,
            None).unpack()

    def property(self, place, interface, name):
        from gi.repository import GLib
        return self.call(
            place, "org.freedesktop.DBus.Properties", "Get",
            GLib.Variant("(ss)", (ATSPI + interface, name)))[0]

    def children(self, place):
        return self.call(place, ATSPI + "Accessible", "GetChildren")[0]

    def look(self, place, parent):
        """At one, however it is asked for."""
        from gi.repository import GLib
        what = ATSPI + "Accessible"
        name = self.call(
            place, "org.freedesktop.DBus.Properties", "Get",
            GLib.Variant("(ss)", (what, "Name")))[0]
        return Widget(self, place, parent, name,
                      ROLES.get(self.call(place, what, "GetRole")[0]),
                      joined(self.call(place, what, "GetState")[0]))

    def walk(self, place):
        """All below, one by one."""
        from gi.repository import GLib
        found, todo = [], [(place, None)]
        while todo:
            place, parent = todo.pop()
            try:
                found.append(self.look(place, parent))
                todo += [(child, place) for child in self.children(place)]
            except GLib.Error:
                pass  # it went meanwhile
        return found

    def widgets(self, name):
        """All that the application told of, in one answer."""
        from gi.repository import GLib
        try:
            items = self.call((name, "/org/a11y/atspi/cache"),
                              ATSPI + "Cache", "GetItems")[0]
        except GLib.Error:
            return []  # not yet
        return [Widget(self, item[0], item[2], item[6], ROLES.get(item[7]),
                       joined(item[9])) for item in items]

    def process(self, name):
        """Of a connection to the bus; None: it has gone."""
        from gi.repository import GLib
        try:
            return self.call(
                ("org.freedesktop.DBus", "/org/freedesktop/DBus"),
                "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                GLib.Variant("(s)", (name,)))[0]
        except GLib.Error:
            return None

    def application(self, pid):
        return next((place for place in self.children(
            ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root"))
            if self.process(place[0]) == pid), None)


class Widget:
    """What it was when it was looked at."""

    def __init__(self, bus, place, parent, name, role, states):
        self.bus, self.place, self.parent = bus, place, parent
        self.name, self.role, self.states = name, role, states

    @property
    def area(self):
        from gi.repository import GLib
        return self.bus.call(self.place, ATSPI + "Component", "GetExtents",
                             GLib.Variant("(u)", (0,)))[0]

    def has(self, state):
        return bool(self.states >> STATES[state] & 1)

    def has_now(self, state):
        self.states = joined(
            self.bus.call(self.place, ATSPI + "Accessible", "GetState")[0])
        return self.has(state)

    def is_control(self):
        return self.role in CONTROLS

    def is_sensitive(self):
        return self.has_now("SENSITIVE")

    def is_checked(self):
        return self.has_now("CHECKED") or self.has_now("PRESSED")

    def wait_sensitive(self):
        wait(self.is_sensitive, self.name + " can be pressed")

    def value(self):
        return self.bus.property(self.place, "Value", "CurrentValue")

    def text(self):
        from gi.repository import GLib
        return self.bus.call(self.place, ATSPI + "Text", "GetText",
                             GLib.Variant("(ii)", (0, -1)))[0]

    def set_text(self, text):
        from gi.repository import GLib
        self.bus.call(self.place, ATSPI + "EditableText", "SetTextContents",
                      GLib.Variant("(s)", (text,)))
        wait(lambda: self.text() == text, "the text stands there: " + text)


def wait(condition, what, seconds=8.0):
    """Each look costs the player more than a picture does: fewer, the longer
    it takes."""
    deadline = time.monotonic() + seconds * patience()
    pause = 0.02
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed("not within %g s: %s" % (seconds, what))
        time.sleep(pause)
        pause = min(1.2 * pause, 0.1)


class Player:
    def __init__(self, desk, process, log_name):
        self.desk, self.process, self.log_name = desk, process, log_name
        self.place = None  # of the application

    # -- what is there --

    def widgets(self, walks=False):
        """All that shows; walking takes long, and overlooks nothing."""
        if self.process.poll() is not None:
            raise Failed("vodplay ended: %s\n%s" % (
                self.process.returncode, self.said()))
        if self.place is None:
            self.place = self.desk.bus.application(self.process.pid)
        if self.place is None:
            return []
        found = self.desk.bus.walk(self.place) if walks else (
            self.desk.bus.widgets(self.place[0]))
        return [one for one in found if one.has("SHOWING")]

    def seen(self, role, pattern, walks=False):
        for one in self.widgets(walks):
            if (role is None or one.role == role) and re.fullmatch(
                    pattern, one.name):
                return one
        return None

    def find(self, role, pattern, seconds=8.0):
        begun = time.monotonic()
        return self.wait(
            lambda: self.seen(role, pattern)
            or time.monotonic() > begun + WALK_AFTER_S
            and self.seen(role, pattern, True),
            "%s %r" % (role or "something", pattern), seconds)

    def label(self, pattern, seconds=8.0):
        try:
            return self.find("label", pattern, seconds)
        except Failed as failure:
            texts = [one.name for one in self.widgets()
                     if one.role == "label"]
            raise Failed("%s; there is: %s" % (failure, " | ".join(texts)))

    def value(self, name):
        """What stands behind the label NAME, in its row."""
        labels = [(one.area, one.name) for one in self.widgets()
                  if one.role == "label"]
        row = [area for area, text in labels if text == name]
        return next((text for area, text in labels if row and
                     abs(area[1] - row[0][1]) < 3 and area[0] > row[0][0]),
                    None)

    def wait(self, condition, what, seconds=8.0):
        return wait(condition, what, seconds)

    def steady(self, name):
        """Its value no longer changes."""
        seen = []

        def is_steady():
            seen.append(self.find("slider", name).value())
            time.sleep(0.1)
            return len(seen) > 5 and len(set(seen[-5:])) == 1
        self.wait(is_steady, name + " stands still")

    def focus(self):
        """The name of what has it."""
        return next((one.name for one in self.widgets(True)
                     if one.has("FOCUSED") and one.is_control()), None)

    def frame_area(self):
        return self.find("frame", ".*").area

    def inside(self):
        """What shows is within its window, and letters are not cut."""
        found = {one.place: one for one in self.widgets(True)}
        for one in found.values():
            if not one.is_control() and one.role != "label":
                continue
            top = one
            while top is not None and top.role not in (
                    "frame", "dialog", "scroll pane"):
                top = found.get(top.parent)
            if top is None or top.role == "scroll pane":
                continue
            x, y, width, height = top.area
            left, upper, across, down = one.area
            if left < x or upper < y or left + across > x + width or (
                    upper + down > y + height):
                raise Failed("%s %r at %s is not within %s" % (
                    one.role, one.name, one.area, top.area))

    # -- what is done --

    def tool(self, *words):
        subprocess.run(["xdotool", *[str(word) for word in words]],
                       check=True, env=self.desk.environment,
                       stdout=subprocess.DEVNULL)

    def press(self, key):
        self.tool("key", key)

    def type(self, text):
        self.tool("type", "--delay", "5", text)

    def move(self, x, y):
        self.tool("mousemove", "--sync", x, y)

    def button(self, how):
        self.tool("mouse" + how, 1)

    def click(self, times=1):
        self.tool("click", "--repeat", times, "--delay", 40, 1)

    def point(self, one, times=1):
        """Click in the middle of it."""
        x, y, width, height = one.area
        # not by move(): it waits for a pointer that is there to come
        self.tool("mousemove", x + width // 2, y + height // 2)
        self.click(times)

    def resize(self, width, height):
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--pid",
             str(self.process.pid)], env=self.desk.environment,
            capture_output=True, text=True).stdout.split()
        for window in found:
            self.tool("windowsize", window, width, height)
        self.wait(lambda: self.frame_area()[2:] == (width, height),
                  "a window of %d x %d, not %s" % (
                      width, height, self.frame_area()))

    def said(self):
        with open(self.log_name, errors="replace") as log:
            return log.read()

    def open(self, address):
        """As somebody would who does not use the pointer."""
        self.press("ctrl+l")
        entry = self.find("text", "Address")
        entry.set_text(address)
        self.press("Return")
        self.wait(lambda: not self.seen("text", "Address"),
                  "the dialog closes")

    def listed(self, menu):
        """What the submenu MENU, which is opened by keys, has to choose from:
        whether it is chosen, by name."""
        self.press("F10")
        self.find("menu item", "Close")
        for _ in range(3 + (menu == "Video")):
            self.press("Down")
        self.press("Right")
        self.find("radio menu item", ".*")
        return {one.name: one.is_checked() for one in self.widgets()
                if one.role == "radio menu item"}

    def choose(self, menu, by, name):
        """Another track, BY entries down."""
        found = [is_chosen for text, is_chosen in self.listed(menu).items()
                 if re.fullmatch(name, text)]
        if found != [False]:
            raise Failed("not to be chosen: %s: %s" % (name, found))
        self.desk.shot("menu-" + menu.lower())
        for _ in range(by):
            self.press("Down")
        self.press("Return")
        self.wait(lambda: not self.seen("menu item", "Close"),
                  "the menu closes")

    def close(self, key="ctrl+q"):
        """As its button does it; its exit status is 0."""
        self.press(key)
        try:
            status = self.process.wait(8 * patience())
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("vodplay does not close")
        self.desk.players.remove(self)
        is_untold = LEAKS_UNTOLD in self.said()
        if is_untold:
            self.desk.say("  whether it leaks is not told: " + LEAKS_UNTOLD)
        elif status != 0:
            raise Failed("vodplay ended: %d\n%s" % (status, self.said()))
        for line in self.said().splitlines():
            if any(harmless in line for harmless in HARMLESS) or (
                    is_untold and "LeakSanitizer" in line):
                continue
            if re.search("CRITICAL|Sanitizer|runtime error", line):
                raise Failed("vodplay said: " + line)


class Desk:
    def __init__(self, folder, shots, program, say):
        self.folder, self.shots, self.say = folder, shots, say
        self.program, self.size = program, SIZE
        self.processes, self.players, self.count = [], [], 0
        self.environment = dict(os.environ)
        self.bus = None
        self.sanitizers = {}
        if sanitized():
            # LLVM holds the lock of unwinding when it allocates: it would
            # wait for itself where each allocation's stack is unwound
            self.sanitizers = dict(SANITIZERS, GALLIUM_DRIVER="softpipe")

    def open(self):
        environment = self.environment
        for name in ("WAYLAND_DISPLAY", "GTK_MODULES", "NO_AT_BRIDGE",
                     "GTK_THEME", "AT_SPI_BUS_ADDRESS", "PULSE_SINK"):
            environment.pop(name, None)
        for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
                     "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            environment[name] = os.path.join(self.folder, name.lower())
            os.makedirs(environment[name], mode=0o700)
        folder = os.path.join(environment["XDG_CONFIG_HOME"], "gtk-3.0")
        os.makedirs(folder)
        self.settings = os.path.join(folder, "settings.ini")
        # no sound device of the machine's, but one that is made there
        environment.update(GDK_BACKEND="x11", LC_ALL="C.UTF-8",
                           GSETTINGS_BACKEND="memory",
                           ALSA_CONFIG_PATH="/dev/null",
                           PULSE_SERVER="unix:" + os.path.join(
                               self.folder, "sound"))
        # a key that is let go late is no other one (-r)
        environment["DISPLAY"] = ":" + self.told(
            ["Xvfb", "-r", "-displayfd", "1", "-screen", "0",
             "%dx%dx24" % self.size, "-nolisten", "tcp", "-noreset"])
        environment["DBUS_SESSION_BUS_ADDRESS"] = self.told(
            ["dbus-daemon", "--session", "--nofork", "--print-address=1"])
        # the session's bus is found in our own environment
        os.environ.update(environment)
        os.environ.pop("AT_SPI_BUS_ADDRESS", None)
        self.bus = Bus()
        self.launch(["openbox"])
        wait(lambda: subprocess.run(
            ["xdotool", "get_desktop"], env=environment,
            capture_output=True).returncode == 0, "a window manager")

    def prefer_dark(self, dark):
        """As somebody has it who sets it for all programs."""
        with open(self.settings, "w") as out:
            out.write("[Settings]\n"
                      "gtk-application-prefer-dark-theme=%d\n" % dark)

    def launch(self, words, **options):
        log = open(os.path.join(self.folder, words[0] + ".log"), "wb")
        process = subprocess.Popen(
            tied(words), env=self.environment, stdin=subprocess.DEVNULL,
            stderr=log, start_new_session=True, **options)
        self.processes.append(process)
        return process

    def told(self, words):
        """The first line that it prints."""
        process = self.launch(words, stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline().strip()
        if not line:
            raise Failed("%s did not start" % words[0])
        return line

    def start(self, arguments=(), blind=False, folder=None, **environment):
        log_name = os.path.join(
            self.folder, "vodplay-%d.log" % len(os.listdir(self.folder)))
        with open(log_name, "wb") as log:
            process = subprocess.Popen(
                tied([self.program, *arguments]), cwd=folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(self.environment, **self.sanitizers, **environment))
        player = Player(self, process, log_name)
        self.players.append(player)
        if not blind:
            player.find("frame", ".*", 15)
        return player

    def shot(self, name):
        self.count += name not in " ".join(os.listdir(self.shots))
        path = os.path.join(self.shots, name + ".png")
        subprocess.run(["import", "-window", "root", path],
                       env=self.environment, check=False)
        return path

    def said(self):
        return "\n".join(player.said() for player in self.players)

    def close(self):
        for player in self.players:
            player.process.kill()
            player.process.wait()
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                process.kill()
