"""A process that asks for /livez every 20 ms until its input ends, then prints how many seconds each took."""

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
    waits = []
    while not select.select([sys.stdin], [], [], _INTERVAL)[0]:
        began = time.monotonic()
        connection.request("GET", "/livez")
        reply = connection.getresponse()
        reply.read()
        waits.append(time.monotonic() - began if reply.status == 200 else float("inf"))
    print(json.dumps(waits))


if __name__ == "__main__":
    main()
