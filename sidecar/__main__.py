"""Run `python -m sidecar` as the command."""

from __future__ import annotations

import sys

from sidecar.ops.command import main

if __name__ == "__main__":
    sys.exit(main())
