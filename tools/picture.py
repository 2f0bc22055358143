"""Runs a command in a terminal and writes what its screen shows in the end as an SVG: make picture makes docs/demo.svg.

python3 picture.py OUT.svg "what the prompt shows" COMMAND ARG...     needs pyte
"""

import fcntl
import html
import itertools
import os
import pty
import re
import struct
import sys
import termios

import pyte

COLUMNS, LINES = 84, 70
SIZE, WIDTH, HEIGHT, MARGIN = 14, 8.43, 19, 18  # of a font, a cell, a line, around
COLORS = {
    "default": "#c9d1d9", "black": "#484f58", "red": "#ff7b72", "green": "#3fb950", "brown": "#d29922",
    "blue": "#58a6ff", "magenta": "#bc8cff", "cyan": "#39c5cf", "white": "#b1bac4", "brightblack": "#8b949e",
}  # fmt: skip
FAINT = "#8b949e"


class Screen(pyte.Screen):
    """Knows faint text, which pyte does not: it is shown in italics' place."""

    def select_graphic_rendition(self, *attrs, **more):
        super().select_graphic_rendition(*(3 if a == 2 else a for a in attrs), **more)


def play(command):
    """The screen after the command's end."""
    screen = Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(LINES))
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    while True:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # Linux tells the end so
            break
        if not data:
            break
        stream.feed(data)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("\n".join(screen.display))
    return screen


def style(cell):
    color = FAINT if cell.italics else COLORS.get(cell.fg, "#" + cell.fg)
    return color, cell.bold


def text(row, y):
    """A line of the screen. Each word has its place, so that tables stand in any font."""
    spans, x = [], 0
    for (color, bold), cells in itertools.groupby(row, style):
        run = "".join(c.data for c in cells)
        for word in re.finditer(r"\S+(?: \S+)*", run):
            weight = ' font-weight="bold"' if bold else ""
            spans.append(f'<tspan x="{MARGIN + (x + word.start()) * WIDTH:.1f}" fill="{color}"{weight}>{html.escape(word[0])}</tspan>')
        x += len(run)
    return f'<text y="{y}">{"".join(spans)}</text>'


def main():
    out, prompt, *command = sys.argv[1:]
    screen = play(command)
    rows = [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(LINES)]
    while not "".join(c.data for c in rows[-1]).strip():
        rows.pop()
    if screen.cursor.y >= LINES - 1 and len(rows) == LINES:
        sys.exit(f"more than {LINES} lines")
    lines = [text([pyte.screens.Char(c) for c in "$ " + prompt], 2 * MARGIN)]
    lines += [text(row, 2 * MARGIN + HEIGHT * (i + 2)) for i, row in enumerate(rows)]
    width, height = round(2 * MARGIN + COLUMNS * WIDTH), 2 * MARGIN + HEIGHT * (len(rows) + 2)
    with open(out, "w", encoding="utf-8") as f:
        f.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
            f' aria-label="{html.escape(prompt)} in a terminal"><rect width="100%" height="100%" rx="8" fill="#0d1117"/>'
            f'<g font-family="ui-monospace,SFMono-Regular,Menlo,DejaVu Sans Mono,monospace" font-size="{SIZE}">'
            + "\n".join(line for line in lines if "<tspan" in line)
            + "</g></svg>\n"
        )


main()
