"""`python -m streaming.launch MODULE …`: become that module of ours in the lane's environment, as supervisord starts it."""

from __future__ import annotations

import sys

from foundation.errors import one_line
from foundation.private import private
from streaming.environment import become

if __name__ == "__main__":
    private()
    with one_line("stream"):
        become(*sys.argv[1:])
