"""A process that has imported the service and forks the real server again and again: a start costs no imports.

Standard input takes one line of JSON a start, `{"environment", "cwd", "log"}`; standard output gives the child's
process id, then what the child prints. An empty line waits for the child and gives its exit status.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from service import app, cli
from service.agent import attempts, llm

READY = (app, attempts, llm)  # imported before the first fork


def main() -> None:
    """Serve starts until standard input ends."""
    child = 0
    for line in sys.stdin:
        if line.strip():
            child = _fork(json.loads(line))
        else:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)


def _fork(start: Mapping[str, Any]) -> int:
    child = os.fork()
    if child:
        print(child, flush=True)
        return child
    os.environ.update(start["environment"])
    os.chdir(start["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(start["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    sys.argv = ["kb-agent", "serve", "--port", "0"]
    cli.main()
    return 0


if __name__ == "__main__":
    main()
