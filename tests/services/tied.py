"""`python tied.py PROGRAM …`: becomes a program that the kernel kills when the suite dies.

In place of `preexec_fn`, for which Python forks: gRPC's threads do not survive a fork, and now and then take
the child with them before it has become its program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); kept over exec

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  the arguments are the suite's own
