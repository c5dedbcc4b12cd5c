"""The folders: the repository, what is shared beside it, the work folder; and the binary under test."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
E2E = ROOT / "e2e"
WORK = E2E / ".work"
LOGS = WORK / "logs"


def target_folder():
    """Where cargo leaves what it builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


def baton():
    """The binary under test: `$BATON`, else the one that `build()` makes."""
    named = os.environ.get("BATON")
    return pathlib.Path(named) if named else target_folder() / "debug" / "baton"


def build():
    """Builds the binary unless the caller named one."""
    if not os.environ.get("BATON"):
        subprocess.run(["cargo", "build", "--quiet", "--package", "baton-server"], cwd=ROOT, check=True)
