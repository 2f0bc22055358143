"""Found as a package (discover -t python) or as a folder (discover python/tests): either way
the tests import each other's helpers from here."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
