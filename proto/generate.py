"""Make the Python code from the proto file: `make proto` writes it, `make check` only compares.

Both the sidecar and the Python client get a copy, under the same descriptor name, so that one process
may import both.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = "learning/v1/learning.proto"
TARGETS = (ROOT / "sidecar" / "v1", ROOT / "clients" / "python" / "learning_client" / "v1")


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
    stale = []
    for target in TARGETS:
        for name, text in texts.items():
            path = target / name
            if path.exists() and path.read_text() == text:
                continue
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                target.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if stale and "--check" in sys.argv:
        message = f"not current: {', '.join(stale)}; run `make proto`"
        raise SystemExit(message)
    print(f"{len(texts)} files for each of {len(TARGETS)} packages: {'written' if stale else 'current'}")


if __name__ == "__main__":
    main()
