"""Python's OpenSSL is loaded where a server speaks TLS, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect
from tests.store.servers import certificates, tls_before

ASK = pb.RecommendRequest(domain="route", candidates=[pb.Candidate(arm="a"), pb.Candidate(arm="b")])


def libraries(pid: int) -> str:
    """List the files that a process has mapped."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for localhost, and its authority."""
    directory = tmp_path_factory.mktemp("tls") / "certificates"
    certificates(directory)
    return directory


async def test_a_sidecar_without_tls_does_not_load_it(sidecars: Any, connect: Connect) -> None:
    """After a decision, with the policy's arithmetic, neither library is there."""
    one = sidecars()
    assert not (await connect(one.address).Recommend(ASK)).degraded
    assert "libcrypto" not in libraries(one.process.pid)
    assert "libssl" not in libraries(one.process.pid)


async def test_a_sidecar_with_tls_decides_over_it(sidecars: Any, connect: Connect, server: Any, signed: Path) -> None:
    """With the URL of a server that speaks TLS it is loaded, and works."""
    async with tls_before(server.socket_path, signed / "localhost.pem") as port:
        one = sidecars(redis_url=f"rediss://localhost:{port}?ssl_ca_certs={signed / 'ca.pem'}")
        assert not (await connect(one.address).Recommend(ASK)).degraded
        assert "libssl" in libraries(one.process.pid)
        one.stop()


@pytest.mark.parametrize("kind", ["", "+sentinel", "+cluster"])
def test_every_url_with_tls_has_it(kind: str) -> None:
    """Behind Sentinels and in a cluster, too."""
    code = (
        f"import sys; from sidecar.ops import openssl; openssl.leave_out(['serve', 'rediss{kind}://host/mine']);"
        "import asyncio; assert 'ssl' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_who_asks_for_it_later_gets_it() -> None:
    """A policy from outside may speak TLS of its own."""
    code = (
        "import sys; from sidecar.ops import openssl; openssl.leave_out([]); import asyncio, hashlib;"
        "assert 'ssl' not in sys.modules and hashlib.sha1(b'x').hexdigest();"
        "import ssl; ssl.create_default_context()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
