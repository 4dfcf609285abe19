"""Make the Python code from the proto file: `make proto` writes it, `make check` only compares.

Both the sidecar and the Python client get a copy, under the same descriptor name, so that one process
may import both. The Java client, which builds from its own folder, gets a copy of the proto file.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = "learning/v1/learning.proto"
PACKAGES = (ROOT / "sidecar" / "v1", ROOT / "clients" / "python" / "learning_client" / "v1")
COPY = ROOT / "clients" / "java" / "client" / "src" / "main" / "proto" / PROTO


def generate(into: Path) -> dict[str, str]:
    """Run protoc; return file name -> text, with imports made relative to the package they lie in."""
    include = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{include}"]
    arguments += [f"--{kind}_out={into}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main([*arguments, PROTO]):
        message = "protoc failed"
        raise SystemExit(message)
    produced = sorted((into / "learning" / "v1").iterdir())
    return {
        path.name: re.sub(r"^from learning\.v1 import", "from . import", path.read_text(), flags=re.MULTILINE)
        for path in produced
    }


def main() -> None:
    """Write the files, or with --check fail when they are not current."""
    with tempfile.TemporaryDirectory() as scratch:
        texts = generate(Path(scratch))
    wanted = {package / name: text for package in PACKAGES for name, text in texts.items()}
    wanted[COPY] = (ROOT / "proto" / PROTO).read_text()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if stale and "--check" in sys.argv:
        message = f"not current: {', '.join(str(path.relative_to(ROOT)) for path in stale)}; run `make proto`"
        raise SystemExit(message)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    print(f"{len(wanted)} files: {'written' if stale else 'current'}")


if __name__ == "__main__":
    main()
