"""`python -m tests.services.tied MODULE …`: the module as `python -m` runs it, ended with the process above.

The suite's process has threads of gRPC by then: what Python would do between its fork and exec may wait
for ever for a lock that one of them held.
"""

from __future__ import annotations

import runpy
import sys

from tests.services.children import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
