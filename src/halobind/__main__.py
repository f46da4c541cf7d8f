"""`python -m halobind` is `halobind`."""

import sys

from halobind.pipeline.commands.cli import main

sys.exit(main())
