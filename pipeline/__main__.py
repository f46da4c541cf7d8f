"""`python -m pipeline` is `halobind`."""

import sys

from pipeline.cli import main

sys.exit(main())
