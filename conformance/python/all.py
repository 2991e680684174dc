"""Runs every suite, and then requires that no method of the SDK was left out."""

import pathlib
import sys
import unittest

from support import calls


def main():
    calls.note()
    suites = unittest.defaultTestLoader.discover(str(pathlib.Path(__file__).parent))
    if not unittest.TextTestRunner().run(suites).wasSuccessful():
        return 1
    left_out = sorted({name for name, _ in calls.methods()} - calls.called)
    if left_out:
        print("never called:", *left_out, sep="\n  ", file=sys.stderr)
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
