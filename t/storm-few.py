#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""storm.py for a few seconds, with a few viewers."""

import os
import runpy
import sys

sys.argv.append("--few")
runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "storm.py"), run_name="__main__")
