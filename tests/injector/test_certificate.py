"""Goal: a certificate is exchanged without anybody noticing. Method: files that change under a running webhook."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from http import HTTPStatus
from pathlib import Path

import pytest

from sidecar.errors import InvalidSettings
from sidecar.ops.injecting.certificate import Certificate
from sidecar.ops.injecting.https import Https
from tests.injector.speaking import line_to


@pytest.fixture
def mounted(signed: Path, tmp_path: Path) -> Path:
    """Lay a pair out as Kubernetes mounts a secret: links through `..data`, which is exchanged at once."""
    mount(tmp_path, signed, "localhost", "1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    return tmp_path


def mount(directory: Path, signed: Path, name: str, generation: str) -> None:
    """Put another pair in place, as the kubelet does."""
    made = directory / f"..{generation}"
    made.mkdir()
    shutil.copy(signed / f"{name}.pem", made / "tls.crt")
    shutil.copy(signed / f"{name}.key", made / "tls.key")
    (directory / "..new").symlink_to(made.name)
    (directory / "..new").rename(directory / "..data")


def read(directory: Path) -> Certificate:
    """Read what is mounted."""
    return Certificate(directory / "tls.crt", directory / "tls.key")


async def test_a_new_pair_is_taken_up(mounted: Path, signed: Path, trusting: ssl.SSLContext) -> None:
    """By new connections; one that is open goes on. Clients that name no server get it too."""
    certificate = read(mounted)
    assert not certificate.refresh()
    server = Https("127.0.0.1", 0, {"/inject": lambda _: (HTTPStatus.OK, b"{}")}, lambda *_: None)
    await server.start(certificate.context)
    trusting.check_hostname = False
    try:
        async with line_to(server.port, trusting) as old:
            mount(mounted, signed, "other", "2")
            assert certificate.refresh()
            for name in ("localhost", None):  # an address, which is what None means here, is never named
                async with line_to(server.port, trusting, name) as new:
                    peer = new.writer.get_extra_info("peercert")
                    assert dict(peer["subjectAltName"]) == {"DNS": "other.example"}
            assert (await old.post())[0] == 200
    finally:
        await server.stop(1.0)


@pytest.mark.parametrize("broken", ["key", "certificate", "missing", "of another"])
def test_a_bad_pair_changes_nothing(mounted: Path, signed: Path, caplog: pytest.LogCaptureFixture, broken: str) -> None:
    """What was good stays in force, and the log says why; a good one is taken up afterwards."""
    certificate = read(mounted)
    first = certificate.ends_unix_s
    mount(mounted, signed, "localhost", "2")
    if broken == "key":
        (mounted / "..2" / "tls.key").write_text("no key")
    elif broken == "certificate":
        (mounted / "..2" / "tls.crt").write_text("no certificate")
    elif broken == "missing":
        (mounted / "..2" / "tls.key").unlink()
    else:
        shutil.copy(signed / "other.key", mounted / "..2" / "tls.key")

    assert not certificate.refresh()
    assert certificate.ends_unix_s == first
    assert "what was read before stays in force" in caplog.text
    mount(mounted, signed, "other", "3")
    assert certificate.refresh()


def test_a_bad_pair_does_not_start(mounted: Path) -> None:
    """With the files and the reason."""
    (mounted / "..1" / "tls.key").write_text("no key")
    with pytest.raises(InvalidSettings, match=r"tls\.crt"):
        read(mounted)


def test_the_end_is_known(mounted: Path) -> None:
    """For the metric: the certificates of the tests are good for two days."""
    assert read(mounted).ends_unix_s - time.time() == pytest.approx(2 * 86_400, abs=3600)


def test_an_ended_certificate_does_not_start(tmp_path: Path, signed: Path) -> None:
    """Nobody would trust it; better said here than by every API server."""
    shutil.copy(signed / "localhost.key", tmp_path / "tls.key")
    again = ("-in", signed / "localhost.pem", "-signkey", signed / "localhost.key", "-days", "-1", "-out", "tls.crt")
    subprocess.run(["openssl", "x509", *again], cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(InvalidSettings, match="expired"):
        read(tmp_path)


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    """There is nobody to ask for its password."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -passout pass:x -keyout tls.key -out tls.crt"
    subprocess.run(["openssl", *words.split(), "-subj", "/CN=a"], cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(InvalidSettings):
        read(tmp_path)
