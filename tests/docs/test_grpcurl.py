"""Goal: what people copy from docs/grpcurl.md works. Method: its blocks are run as they stand, against real sidecars.

Only the addresses are exchanged for those of the sidecars. Each sidecar has keys of its own, so that every block meets
a fresh store.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.v1 import learning_pb2 as pb
from tests.conftest import SidecarProcess, Sidecars, starting_sidecars

DOCS = Path(__file__).parents[2] / "docs"
METHODS = {method.name for method in pb.DESCRIPTOR.services_by_name["Learning"].methods}
TCP_ADDRESS = "127.0.0.1:50051"
SOCKET = "/tmp/learning.sock"  # noqa: S108  # as the page has it; exchanged before use


def blocks(page: str, heading: str) -> list[str]:
    """The shell blocks below a heading."""
    section = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


def run(script: str, directory: Path) -> str:
    """Run a block in a directory, up to the first line that fails; gives what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eux", "-c", script],
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def own_keys(**more: str) -> dict[str, str]:
    """Make the environment of a sidecar that shares nothing with others."""
    return {"LEARNING_KEY_PREFIX": f"p-{secrets.token_hex(4)}", **more}


def assert_each_did_its_work(printed: str) -> None:
    """Every method took effect: that a call is answered is not enough."""
    assert {"learning.v1.Learning", "grpc.health.v1.Health"} <= set(printed.splitlines())
    for said in ("service Learning {", '"SERVING"', "RECOMMEND_OUTCOME_CHOSEN", "RELEASE_OUTCOME_RELEASED"):
        assert said in printed
    assert printed.count("REWARD_OUTCOME_APPLIED") == 2  # by Reward and by RewardBatch
    # Names of fields and spaces are grpcurl's affair, and differ from one version to the next.
    assert re.findall(r'"previous_?[mM]ode":\s*"(\w+)"', printed) == ["MODE_SHADOW", "MODE_UNGATED"]
    assert re.search(r'"reward_?[mM]ean":\s*0\.8\b', printed)  # of Status
    assert printed.count("RESTORE_ACTION_UNCHANGED") == 2  # both domains came back as they are
    assert '"error"' not in printed


def test_every_method_on_tcp(sidecars: Sidecars, tmp_path: Path) -> None:
    """The block calls every method of the API, and each does its work."""
    (block,) = blocks("grpcurl.md", "On TCP")
    printed = run(block.replace(TCP_ADDRESS, sidecars(environment=own_keys()).address), tmp_path)

    assert set(re.findall(r"learning\.v1\.Learning/(\w+)", block)) == METHODS
    assert_each_did_its_work(printed)


def test_every_method_on_a_socket(sidecars: Sidecars, data_dir: Path, tmp_path: Path) -> None:
    """The block has the lines of the one for TCP, and each does its work."""
    (tcp,), (block,) = blocks("grpcurl.md", "On TCP"), blocks("grpcurl.md", "On a unix socket")
    address = f"unix:{data_dir}/learning.sock"
    sidecars(arguments=("--address", address), environment=own_keys())
    printed = run(block.replace(SOCKET, address.removeprefix("unix:")), tmp_path)

    on_tcp = [line for line in tcp.splitlines() if line.startswith("grpcurl")]
    assert block.replace(f"-unix -authority localhost {SOCKET}", TCP_ADDRESS).splitlines() == on_tcp
    assert_each_did_its_work(printed)


@pytest.fixture
def guarded(redis_url: str, tmp_path: Path) -> Iterator[Sidecars]:
    """Start sidecars on the only transport that has TLS."""
    with starting_sidecars(redis_url, tmp_path, "grpcio") as start:
        yield start


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tokens and the certificates of docs/security.md, by its own lines."""
    directory = tmp_path_factory.mktemp("files")
    for block in blocks("security.md", "Tokens") + blocks("security.md", "Certificates"):
        run(block, directory)
    (directory / "tokens.yaml").write_text(
        "tokens: [{name: chat-app, token_file: chat-app.token, tenants: [acme], workspaces: [chat],"
        " rights: [decide, reward]}]",
        encoding="utf-8",
    )
    return directory


def tls(files: Path, **more: str) -> dict[str, str]:
    """The environment of a sidecar that speaks TLS."""
    pair = {"LEARNING_TLS_CERTIFICATE": str(files / "server.pem"), "LEARNING_TLS_KEY": str(files / "server.key")}
    return own_keys(**pair, **more)


def run_at(one: SidecarProcess, block: str, files: Path) -> str:
    """Run a block against a sidecar, beside the files that it names."""
    return run(block.replace(TCP_ADDRESS, one.address), files)


def test_with_a_token(guarded: Sidecars, files: Path) -> None:
    """The secret gets the calls through; without it they fail."""
    (block,) = blocks("grpcurl.md", "With a token")
    one = guarded(environment=own_keys(LEARNING_TOKENS=str(files / "tokens.yaml")))
    printed = run_at(one, block, files)

    assert "RECOMMEND_OUTCOME_CHOSEN" in printed
    assert "REWARD_OUTCOME_APPLIED" in printed
    with pytest.raises(AssertionError, match="Unauthenticated"):
        run_at(one, block.replace("cat chat-app.token", "echo another-secret"), files)


def test_with_tls(guarded: Sidecars, files: Path) -> None:
    """The lines work where TLS is spoken, the last also where a client needs a certificate, as only it has one."""
    one_sided, mutual = blocks("grpcurl.md", "With TLS")
    keys = tls(files)
    asked = run_at(guarded(environment=keys), one_sided, files)
    strict = guarded(environment=keys | {"LEARNING_TLS_CLIENT_AUTHORITY": str(files / "ca.pem")})
    rewarded = run_at(strict, mutual, files)

    assert "RECOMMEND_OUTCOME_CHOSEN" in asked
    assert "REWARD_OUTCOME_APPLIED" in rewarded
    with pytest.raises(AssertionError, match="Failed to dial"):
        run_at(strict, one_sided.replace("-cacert", "-connect-timeout 2 -cacert"), files)
