"""Write deploy/manifests from the chart, for those who do not use Helm.

`--check` only says whether they are up to date.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from helm_binary import helm_binary

_DEPLOY = Path(__file__).parent
_NAMESPACE = "learning-system"
_MANIFEST = _DEPLOY / "manifests" / "injector.yaml"
_HEAD = f"""\
# Made from deploy/helm by deploy/render.py: change the chart, not this file. docs/kubernetes.md says how to use it.
# It needs cert-manager, since a certificate cannot be kept in a file for everybody.
apiVersion: v1
kind: Namespace
metadata:
  name: {_NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def rendered() -> str:
    """The chart with cert-manager, for a namespace of its own."""
    words = (helm_binary(), "template", "learning-sidecar", _DEPLOY / "helm" / "learning-sidecar")
    options = ("--namespace", _NAMESPACE, "--set", "certificate.mode=cert-manager")
    made = subprocess.run((*words, *options), check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own words
    text = re.sub(r"^# Source: .*\n", "", made, flags=re.MULTILINE).replace("\n\n---", "\n---")
    return _HEAD + text.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")


def main(arguments: list[str]) -> int:
    """Write, or check."""
    text = rendered()
    if arguments == ["--check"]:
        fresh = _MANIFEST.exists() and _MANIFEST.read_text(encoding="utf-8") == text
        print("up to date" if fresh else f"{_MANIFEST.name} is not what the chart makes: run deploy/render.py")  # noqa: T201 - a command
        return 0 if fresh else 1
    _MANIFEST.parent.mkdir(exist_ok=True)
    _MANIFEST.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
