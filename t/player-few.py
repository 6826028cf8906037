#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""player.py for half a minute: the samples."""

import os
import runpy
import sys

sys.argv.append("--few")
runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "player.py"), run_name="__main__")
