"""Which modules a command line imports."""

import subprocess
import sys

SCRIPT = """
import sys
from halobind.pipeline.commands.cli import main
try:
    main(sys.argv[1:])
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""


def modules_after(arguments: list[str]) -> set[str]:
    """Names of all modules that are imported when `halobind arguments` ends well."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines())
