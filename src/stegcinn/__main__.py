"""Run the command line as `python -m stegcinn`."""

import sys

from stegcinn.cli import main

sys.exit(main())
