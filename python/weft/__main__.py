"""python -m weft: the weft program that the wheel brought along."""

import os
import sys

from ._binary import binary
from ._types import Error


def main() -> None:
    """Becomes the program."""
    try:
        program = binary()
    except Error as e:
        sys.exit(f"weft: {e}")
    os.execv(program, [str(program), *sys.argv[1:]])


if __name__ == "__main__":
    main()
