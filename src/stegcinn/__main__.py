"""The program `stegcinn`, also as `python -m stegcinn`."""

import signal
import sys


def run() -> int:
    """Run the command line; Ctrl-C ends the process at once, but for what `cli` wants to end in order."""
    # Before any import that takes long: extension modules turn a KeyboardInterrupt into anything.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from stegcinn.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
