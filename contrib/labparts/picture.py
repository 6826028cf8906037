# SPDX-License-Identifier: BSD-2-Clause
"""picture - curves over time, one below the other, as SVG."""

from xml.sax.saxutils import escape

COLOURS = ("#1b6ca8", "#c8501e", "#2f8f4e", "#7a4fa3", "#8a6d1d", "#555555")
WIDTH, LEFT, RIGHT = 900, 70, 20
HEIGHT, GAP, TOP = 170, 34, 100


def nice(value):
    """The next 1, 2 or 5 times a power of ten."""
    step = 1.0
    while step < value:
        for factor in (2, 2.5, 2):
            step *= factor
            if step >= value:
                return step
    while step / 10 >= value > 0:
        step /= 10
    return step


def text(x, y, words, **more):
    more = {name.replace("_", "-"): value for name, value in more.items()}
    return '<text x="%g" y="%g"%s>%s</text>' % (x, y, "".join(
        ' %s="%s"' % one for one in more.items()), escape(words))


def panel(top, title, curves, seconds):
    """CURVES: name -> [(second, value or None)]."""
    most = nice(max([value for points in curves.values()
                     for _, value in points if value is not None] + [1e-9]))
    span = WIDTH - LEFT - RIGHT

    def place(at, value):
        return "%.1f,%.1f" % (LEFT + span * at / seconds,
                              top + HEIGHT * (1 - value / most))
    out = [text(LEFT, top - 6, title, font_weight="bold")]
    for part in range(5):
        y = top + HEIGHT * part / 4
        out.append('<path class="grid" d="M%g %gH%g"/>' % (
            LEFT, y, WIDTH - RIGHT))
        out.append(text(LEFT - 6, y + 4, "%g" % (most * (4 - part) / 4),
                        text_anchor="end"))
    for (name, points), colour in zip(curves.items(), COLOURS):
        run = []
        for at, value in points + [(seconds, None)]:
            if value is not None:
                run.append(place(at, value))
                continue
            if run:     # a gap is where nothing answered
                out.append('<polyline stroke="%s" points="%s"><title>%s'
                           '</title></polyline>' % (
                               colour, " ".join(run), escape(name)))
            run = []
    return out


def draw(title, panels, events, seconds):
    """PANELS: [(title, curves)], EVENTS: [(second, words)]."""
    bottom = TOP + len(panels) * (HEIGHT + GAP)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
           'font-family="sans-serif" font-size="12">' % (WIDTH, bottom + 10),
           '<style>.grid{stroke:#ddd}.event{stroke:#999;stroke-dasharray:3 3}'
           'polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}'
           '</style><rect width="100%" height="100%" fill="#fff"/>',
           text(LEFT, 20, title, font_size="15", font_weight="bold")]
    for at, name in enumerate(panels[0][1]):
        x = WIDTH - RIGHT - 60 * (len(panels[0][1]) - at)
        out.append('<path stroke="%s" stroke-width="3" d="M%d 16h18"/>' % (
            COLOURS[at], x))
        out.append(text(x + 22, 20, name))
    span = WIDTH - LEFT - RIGHT
    for number, (at, words) in enumerate(events):
        x, y = LEFT + span * at / seconds, 40 + 14 * (number % 3)
        out.append('<path class="event" d="M%.1f %dV%d"/>' % (
            x, y + 3, bottom - GAP))
        out.append(text(x, y, words, text_anchor=(
            "end" if at > 0.8 * seconds else "start")))
    for number, (name, curves) in enumerate(panels):
        out += panel(TOP + number * (HEIGHT + GAP), name, curves, seconds)
    for part in range(7):
        at = seconds * part / 6
        out.append(text(LEFT + span * part / 6, bottom - GAP + 16,
                        "%d s" % at, text_anchor="middle"))
    return "\n".join(out + ["</svg>", ""])
