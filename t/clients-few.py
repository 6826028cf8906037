#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""clients.py for a few seconds: one sample, with ffmpeg alone."""

import os
import runpy
import sys

sys.argv.append("--few")
runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "clients.py"), run_name="__main__")
