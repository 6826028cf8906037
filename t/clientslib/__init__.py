# SPDX-License-Identifier: BSD-2-Clause
"""What t/clients.py needs to play titles with clients of others."""
