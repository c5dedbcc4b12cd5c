"""Installing what a suite needs, into the work folder, once."""
import hashlib
import shutil
import subprocess
import sys
import threading

from . import places

# Pages of the documentation run at the same time, and may want the same.
LOCK = threading.Lock()


def once(name, inputs, install):
    """The folder that `install` fills, filled again only when its inputs have changed."""
    folder = places.WORK / name
    key = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = places.WORK / f"{name}.installed"
    with LOCK:
        if not (folder.exists() and stamp.exists() and stamp.read_text() == key):
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            stamp.write_text(key)
    return folder


def command(words, folder=None):
    """Runs an installer; what it said only when it failed."""
    done = subprocess.run(
        [str(word) for word in words], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def python_environment(name, requirements):
    """A virtual environment with the packages of a requirements file."""
    def install(folder):
        command([sys.executable, "-m", "venv", folder])
        command([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])

    return once(name, [requirements], install)
