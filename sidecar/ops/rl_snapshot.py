"""The command `rl_snapshot`: dump what a workspace has learned, and put it back."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from sidecar import __version__
from sidecar.engine.snapshot import from_json, selected
from sidecar.errors import InvalidInput, SidecarError
from sidecar.ops.calling import CallFailed, add_options, calling, reach_of
from sidecar.v1 import learning_pb2 as pb

_TIMEOUT_S = 30.0
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DUMP_NAME = "snapshot-{}.json"


def parser() -> argparse.ArgumentParser:
    """The parser with both commands."""
    whole = argparse.ArgumentParser(
        prog="rl_snapshot", description="Dump and restore what a workspace has learned, through a running sidecar."
    )
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(required=True, dest="command", metavar="dump|restore")
    dump = commands.add_parser(
        "dump",
        help="write a snapshot to a file",
        description="Write a snapshot as JSON. With --every it goes on doing so, into a directory, until Ctrl-C.",
    )
    dump.add_argument("--output", default="-", help="a file, or - for standard output; with --every a directory")
    dump.add_argument("--every", type=_interval, help="repeat, such as 1h, 15m, 30s")
    dump.add_argument("--keep", type=_positive, default=24, help="with --every, delete all but so many (default 24)")
    restore = commands.add_parser(
        "restore",
        help="put a snapshot back",
        description="Validate a snapshot and put it back, entirely or not at all. Domains that the sidecar does not "
        "know are ignored, domains that are missing in it keep what they have, and a domain whose policy or policy "
        "version is another is skipped; each is said.",
    )
    restore.add_argument("--input", default="-", help="a file, or - for standard input")
    restore.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    restore.add_argument("--reseed", action="store_true", help="leave random generators as they are")
    restore.add_argument("--create-unknown-domains", action="store_true", help="restore domains nobody knows, too")
    for command in (dump, restore):
        add_options(command)
        command.add_argument("--tenant", default="", help="whose (default: default)")
        command.add_argument("--workspace", default="", help="which deployment's (default: main)")
        command.add_argument("--policies", type=_names, default=[], help="only these domains or policies: a,b")
        command.add_argument("--verbose", action="store_true", help="say more: every figure, every domain")
        command.add_argument("--json", action="store_true", help="say what was done as one JSON object")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return the exit code: 0 good, 2 invalid input or no answer, 130 interrupted."""
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "restore":
            return asyncio.run(_restore(asked))
        return asyncio.run(_dump_every(asked) if asked.every else _dump(asked, asked.output))
    except SidecarError as error:
        print(f"rl_snapshot: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


async def _dump(asked: argparse.Namespace, output: str) -> int:
    request = pb.SnapshotRequest(tenant=asked.tenant, workspace=asked.workspace, policies=asked.policies)
    async with calling(reach_of(asked)) as stub:
        answer: pb.SnapshotResponse = await stub.Snapshot(request, timeout=_TIMEOUT_S)
    if output == "-":
        print(answer.document_json)
    else:
        _write(Path(output), answer.document_json + "\n")
    domains = selected(from_json(answer.document_json), ())
    if asked.json and output != "-":
        print(json.dumps({"output": output, "domains": {name: len(one.arms) for name, one in domains.items()}}))
    elif output != "-" or asked.verbose:
        _say(f"{len(domains)} domains written to {output}")
        if asked.verbose:
            for name, one in domains.items():
                _say(f"  {name}: {one.policy.name} version {one.policy.version}, {len(one.arms)} arms")
    return 0


async def _dump_every(asked: argparse.Namespace) -> int:
    directory = _directory(asked.output)
    while True:
        name = _DUMP_NAME.format(datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ"))
        try:
            await _dump(asked, str(directory / name))
        except CallFailed as error:  # the next one may succeed; a gap is said, not fatal
            _say(f"rl_snapshot: {error}")
        _keep_newest(directory, asked.keep)
        await asyncio.sleep(asked.every)


async def _restore(asked: argparse.Namespace) -> int:
    request = pb.RestoreRequest(
        tenant=asked.tenant,
        workspace=asked.workspace,
        document_json=_read(asked.input),
        policies=asked.policies,
        dry_run=asked.dry_run,
        reseed=asked.reseed,
        create_unknown_domains=asked.create_unknown_domains,
    )
    async with calling(reach_of(asked)) as stub:
        answer: pb.RestoreResponse = await stub.Restore(request, timeout=_TIMEOUT_S)
    if asked.json:
        print(json.dumps(_plain(answer)))
        return 0
    print("nothing was changed; this is what would be" if answer.dry_run else "restored")
    for one in answer.domains:
        action = pb.RestoreAction.Name(one.action).removeprefix("RESTORE_ACTION_").lower().replace("_", " ")
        print(f"{one.domain}: {action}: {one.message}")
        for line in one.differences if asked.verbose or asked.dry_run else ():
            print(f"  {line}")
    return 0


def _directory(output: str) -> Path:
    if output == "-":
        raise InvalidInput("--output", "-", "a directory, with --every")
    directory = Path(output)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _keep_newest(directory: Path, most: int) -> None:
    for old in sorted(directory.glob(_DUMP_NAME.format("*")))[:-most]:
        old.unlink()


def _plain(answer: pb.RestoreResponse) -> dict[str, Any]:
    plain: dict[str, Any] = MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return plain


def _read(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--input", source, f"a readable file ({error})") from error


def _write(path: Path, text: str) -> None:
    """Write to a neighbour and rename, so that no reader ever sees half a snapshot."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as scratch:
            scratch.write(text)
            scratch.flush()
            os.fsync(scratch.fileno())
        Path(scratch.name).replace(path)
    except OSError as error:
        raise InvalidInput("--output", str(path), f"a writable file ({error})") from error


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _interval(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if found is None or float(found.group(1)) <= 0:
        message = f"{text!r} is not an interval such as 1h, 15m or 30s"
        raise argparse.ArgumentTypeError(message)
    return float(found.group(1)) * _UNITS_S[found.group(2)]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        message = f"{text!r} is not a whole number above 0"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    sys.exit(main())
