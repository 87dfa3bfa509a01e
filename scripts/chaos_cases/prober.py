"""A process that asks for /livez every 20 ms until its input ends, then prints how many seconds each took.

A probe counts from when it was due: those that could not be sent while one was waited for have waited too.
"""

import http.client
import json
import select
import sys
import time
from urllib.parse import urlsplit

_INTERVAL = 0.02


def main() -> None:
    """Probe the server at the address given."""
    address = urlsplit(sys.argv[1])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=90)
    waits, due = [], time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        connection.request("GET", "/livez")
        reply = connection.getresponse()
        reply.read()
        waits.append(time.monotonic() - due if reply.status == 200 else float("inf"))
        due += _INTERVAL
    print(json.dumps(waits))


if __name__ == "__main__":
    main()
