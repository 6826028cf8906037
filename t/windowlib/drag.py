#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
drag - a small window that can be dragged as the file whose URI is given.
"""

import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402


def main():
    window = Gtk.Window(title="dragged")
    button = Gtk.Button(label=sys.argv[1])
    button.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [],
                           Gdk.DragAction.COPY)
    button.drag_source_add_uri_targets()
    button.connect("drag-data-get", lambda widget, context, data, *ignored:
                   data.set_uris([sys.argv[1]]))
    window.add(button)
    window.move(0, 0)
    window.show_all()
    Gtk.main()


if __name__ == "__main__":
    main()
