"""A throw-away PostgreSQL: own data folder, own port, own user, fsync on; never a server that happens to run."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from . import places, processes

INSTALLED = pathlib.Path("/usr/lib/postgresql")
START_ATTEMPTS = 5
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "log_min_messages": "warning",
}
# Waits until its input closes, which the death of the test run does too, and clears up.
REAPER = 'cat >/dev/null; "$1/pg_ctl" -D "$2/data" stop -m immediate -w; rm -rf "$2"'


def programs():
    """The folder of the newest version's programs."""
    found = [path.parent for path in INSTALLED.glob("*/bin/initdb")]
    if not found:
        raise AssertionError(f"no PostgreSQL under {INSTALLED}: run e2e/setup")
    return max(found, key=lambda path: int(path.parent.name))


def owner():
    """Whom the server runs as when this is root, which PostgreSQL refuses to be."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


class Postgres:
    """A running server."""

    def __init__(self):
        self.programs, self.owner, self.databases = programs(), owner(), 0
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="baton-e2e-"))
        if self.owner:
            os.chown(self.home, self.owner.pw_uid, self.owner.pw_gid)
        self.reaper = subprocess.Popen(
            ["/bin/sh", "-c", REAPER, "reaper", self.programs, self.home], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **self.identity())
        self.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", "-D", self.data)
        self.start_on_a_free_port()

    @property
    def data(self):
        return self.home / "data"

    def start_on_a_free_port(self):
        for attempt in range(START_ATTEMPTS):
            self.port = processes.free_port()
            try:
                return self.start()
            except AssertionError:
                if attempt == START_ATTEMPTS - 1:
                    raise

    def start(self):
        settings = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        options = f"-p {self.port} -k {self.home} {settings}"
        self.run("pg_ctl", "-D", self.data, "-l", self.home / "log", "-w", "-o", options, "start")

    def stop_at_once(self):
        """As a power cut would end it: no checkpoint, every connection broken."""
        self.run("pg_ctl", "-D", self.data, "stop", "-m", "immediate", "-w")

    def database(self):
        """The URL of a new, empty database."""
        self.databases += 1
        name = f"e2e_{self.databases}"
        self.sql(self.url("postgres"), f"create database {name}")
        return self.url(name)

    def url(self, database):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, url, command):
        """Runs SQL; the rows as text, one a line."""
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", command)

    def run(self, program, *arguments):
        # The server inherits the standard output of pg_ctl and keeps it open, so a file takes it.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(word) for word in (self.programs / program, *arguments)], cwd=self.home, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, env={**os.environ, "LC_ALL": "C"}, **self.identity())
            output.seek(0)
            text = output.read()
        if done.returncode != 0:
            raise AssertionError(f"{program}: {text}{self.log_text()}")
        return text.strip()

    def identity(self):
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []} if self.owner else {}

    def log_text(self):
        log = self.home / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def close(self):
        """Keeps the log, ends the server, deletes its files."""
        if (self.home / "log").exists():
            places.LOGS.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.home / "log", places.LOGS / "postgres.log")
        self.reaper.stdin.close()
        self.reaper.wait()
