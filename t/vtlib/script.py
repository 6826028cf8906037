# SPDX-License-Identifier: BSD-2-Clause
"""
script - what tests that are scripts say and wait for.
"""

import time

from .net import patience


class Failed(Exception):
    pass


def check(good, text):
    if not good:
        raise Failed(text)


def say(text):
    print(text, flush=True)


def within(seconds, what, true):
    """What TRUE returns, as soon as it is something."""
    end = time.monotonic() + seconds * patience()
    while True:
        result = true()
        if result:
            return result
        check(time.monotonic() < end, "not within %g s: %s" % (seconds, what))
        # TRUE may be a command, which keeps the others waiting
        time.sleep(0.02)
