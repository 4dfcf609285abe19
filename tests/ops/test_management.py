"""Goal: nobody on the management port holds up a probe, or the end. Method: a client that connects and says nothing."""

from __future__ import annotations

import socket
import time
from urllib.request import urlopen

from sidecar.ops.management import Management, verdict


def test_a_client_that_says_nothing_holds_nobody_up() -> None:
    """Browsers connect in advance, scanners connect and wait: probes are answered meanwhile, and the end comes."""
    management = Management("127.0.0.1:0", {"/livez": lambda _: verdict(good=True)})
    management.start()
    host, _, port = management.address.rpartition(":")
    with socket.create_connection((host, int(port))):
        time.sleep(0.2)  # until the server has accepted it
        with urlopen(f"http://{management.address}/livez", timeout=4) as answer:
            body = answer.read()
        began = time.monotonic()
        management.stop()
        took_s = time.monotonic() - began

    assert body == b"ok\n"
    assert took_s < 4  # it reads for 5 s before it gives somebody up
