# SPDX-License-Identifier: BSD-2-Clause
"""
shortage - makes a machine small for those that a play starts: less of a
resource for a process, less room on a disk.

Small disks are mounted in a mount namespace of the tester's own, which nobody
else sees and which is gone with it.
"""

import ctypes
import os
import re
import resource

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
UNITS = {"KiB": 1024, "MiB": 1024 ** 2}


class Forbidden(Exception):
    """This machine, or this user, may not."""


def size_of(word):
    for unit, factor in UNITS.items():
        if word.endswith(unit):
            return int(word[:-len(unit)]) * factor
    return int(word)


def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise Forbidden("%s: %s" % (name, os.strerror(ctypes.get_errno())))


class Disks:
    def __init__(self):
        self.mounted = []

    def mount(self, path, size):
        """A tmpfs of so many bytes at PATH."""
        if not self.mounted:
            call("unshare", CLONE_NEWNS)
            call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        call("mount", b"small", path.encode(), b"tmpfs", 0,
             b"mode=1777,size=%d" % size)
        self.mounted.append(path)

    def filler(self, path):
        """The small disk that PATH stands on, as the file that fills it."""
        for mounted in self.mounted:
            if os.path.commonpath([path, mounted]) == mounted:
                return os.path.join(mounted, "filler")
        raise ValueError(path + " stands on no small disk")

    def fill(self, path, leaving):
        name = self.filler(path)
        room = os.statvfs(os.path.dirname(name))
        with open(name, "ab") as out:
            os.posix_fallocate(out.fileno(), out.tell(),
                               room.f_bavail * room.f_frsize - leaving)

    def empty(self, path):
        os.unlink(self.filler(path))

    def end(self):
        for path in reversed(self.mounted):
            call("umount2", path.encode(), MNT_DETACH)
        self.mounted = []


def used_now(pid, name):
    """What a limit would be that leaves nothing."""
    if name == "nofile":
        return 1 + max(int(fd) for fd in os.listdir("/proc/%d/fd" % pid))
    if name == "data":
        with open("/proc/%d/status" % pid) as status:
            return 1024 * int(re.search(
                r"(?m)^VmData:\s+(\d+)", status.read()).group(1))
    raise ValueError(name)


def limit(pid, name, more):
    """MORE of resource NAME than there is in use; None: as many as may be."""
    which = getattr(resource, "RLIMIT_" + name.upper())
    soft = None if more is None else used_now(pid, name) + more
    owner = os.stat("/proc/%d" % pid)
    child = os.fork()
    if child == 0:
        # Without CAP_SYS_RESOURCE, as in containers, only its own user may.
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
                os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
            hard = resource.prlimit(pid, which)[1]
            resource.prlimit(pid, which, (hard if soft is None else soft, hard))
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    error = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if error != 0:
        raise Forbidden("prlimit: %s" % os.strerror(error))
