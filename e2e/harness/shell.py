"""One shell for a page: it keeps folder, variables and background processes from command to command."""
import codecs
import contextlib
import fcntl
import os
import pty
import re
import secrets
import select
import struct
import subprocess
import termios
import time

ROWS, COLUMNS = 50, 200
# Waits until its input closes, which the death of the test run does too, and ends the shell with all that it started.
REAPER = 'cat >/dev/null; kill -KILL "-$1" 2>/dev/null'
END_SECONDS = 15
# A line that a program draws again: only its last form is seen. Then what moves and colors.
REDRAWN = re.compile(r"^.*(?:\x1b\[2?K|\r)", re.M)
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What a shell says of a background process that was ended; a reader's own says it in other words.
OF_JOBS = re.compile(r"^/bin/bash: line \d+: +\d+ (?:Killed|Terminated).*\n", re.M)


class Ended(AssertionError):
    """The shell has ended: a command of a block that must succeed failed, or said `exit`."""


class Shell:
    """A shell that prints to a terminal, as a reader's does."""

    def __init__(self, folder, environment, log):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.folder, self.log, self.status = folder, open(log, "ab"), 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.child = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc"], stdin=subprocess.PIPE, stdout=slave, stderr=slave, cwd=folder,
            env=environment, start_new_session=True)
        os.close(slave)
        self.reaper = subprocess.Popen(
            ["/bin/sh", "-c", REAPER, "reaper", str(self.child.pid)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

    def run(self, command, seconds, strict=False):
        """(exit code, what it printed). A strict one ends the shell where a command fails."""
        mark = f"=={secrets.token_hex(8)}=="
        script = self.folder.with_name(f"{self.folder.name}.command")
        # `$?` is that of the command before, as for a reader.
        script.write_text(f"(exit {self.status})\n{command}\n" if not strict else command)
        begin, end = ("set -eo pipefail", "set +eo pipefail") if strict else (":", ":")
        self.send(f"{begin}; eval \"$(<'{script}')\" </dev/null; echo '{mark}' $?; {end}\n")
        printed = self.read_until(re.compile(rf"{mark} (\d+)\r?\n"), seconds)
        self.status = int(printed[1])
        return self.status, seen(printed[0])

    def send(self, text):
        try:
            self.child.stdin.write(text.encode())
            self.child.stdin.flush()
        except BrokenPipeError:
            raise Ended("the shell has ended") from None

    def read_until(self, mark, seconds):
        """(what came before the mark, its number)."""
        deadline, text = time.monotonic() + seconds, ""
        while True:
            found = mark.search(text)
            if found:
                return text[:found.start()], found[1]
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"not over within {seconds} s; so far:\n{seen(text)[-2000:]}")
            piece = self.read()
            if not piece:
                raise Ended(f"it fails:\n{seen(text)[-3000:]}")
            text += piece

    def read(self):
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # how a terminal says that nobody writes to it any more
            return ""
        self.log.write(piece)
        self.log.flush()
        return self.decoder.decode(piece)

    def close(self):
        """Ends what runs in the background, then the shell."""
        with contextlib.suppress(Ended, subprocess.TimeoutExpired):
            self.send("kill -TERM $(jobs -p); wait; exit\n")
            self.child.wait(END_SECONDS)
        self.reaper.stdin.close()
        self.reaper.wait()
        self.child.wait()
        os.close(self.master)
        self.log.close()


def seen(text):
    """What a terminal shows of it in the end."""
    text = text.replace("\r\n", "\n")
    return OF_JOBS.sub("", CONTROLS.sub("", REDRAWN.sub("", text)))
