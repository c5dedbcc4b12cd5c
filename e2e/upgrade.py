"""Two neighbouring versions of the server on one database at once, as during an upgrade without a stop.

The older one is the previous commit's binary, built beside the current one; its source comes out of the history, so a
clone without history cannot have it, and the case says so and runs the current one twice. `BATON_PREVIOUS` names another binary, such as that of the last release.

A commit that edits a migration instead of adding one fails here, and rightly: no database could be upgraded to it.
"""
import os
import pathlib
import shutil
import subprocess
import time

import faults
import load
from harness import places, waiting

STARTS, START_SECONDS = 40, 2
END_SECONDS = 60
MIGRATIONS = ("crates/store-postgres/migrations", "crates/store-sqlite/migrations")


def run(setting, results):
    """One case: the old alone, both, the new alone; under load all the time."""
    name = "upgrade: two versions on one database"
    with results.guard(name):
        check_migrations()
        older, described = previous()
        results.ok(name, f"{described}: {upgraded(setting, older)}")


def check_migrations():
    """Since the previous commit migrations were added, if anything; none was edited."""
    commit = None if os.environ.get("BATON_PREVIOUS") else previous_commit()
    edited = commit and git("diff", "--name-only", "--diff-filter=a", commit, "--", *MIGRATIONS)
    assert not edited, f"edited since {commit[:12]}, where only new ones may be added: {edited}"


def upgraded(setting, older):
    """Replaces process by process; what was seen. The new binary brings the new schema while the old one works."""
    site = faults.Site(setting, (older, older))
    try:
        before = one_step(site, lambda: None)
        both = one_step(site, lambda: replace(site, 1))
        newer = one_step(site, lambda: replace(site, 0))
        back = one_step(site, lambda: replace(site, 1, older))
        return f"{before} ended under the old, {both} under both, {newer} under the new, {back} after a step back"
    finally:
        site.close()


def replace(site, number, binary=None):
    """Ends one gateway and one executor in good order and starts others in their place."""
    for process in (site.gateways[number], site.executors[number]):
        process.stop()
        process.binary = binary or places.baton()
        process.start()


def one_step(site, change):
    """Starts executions, changes something meanwhile, and demands that all end right; how many."""
    known = set(site.driver.ledger.started)
    starters = site.driver.begin_starts(STARTS, START_SECONDS)
    change()
    for thread in starters:
        thread.join(load.GIVE_UP_SECONDS)
        assert not thread.is_alive(), "a start was not answered"
    assert not site.driver.ledger.refused, f"refused: {site.driver.ledger.refused[:5]}"
    try:
        waiting.until(lambda: site.open_executions() == 0, END_SECONDS, "every execution ends")
    except waiting.Late as late:
        raise AssertionError(f"{late}\n{faults.describe_open(site)}") from None
    mine = {one: number for one, number in site.driver.ledger.started.items() if one not in known}
    assert len(mine) == STARTS, f"{len(mine)} of {STARTS} starts have an execution of their own"
    for one, number in mine.items():
        faults.check_execution(site, one, number)
    faults.check_database(site)
    return len(mine)


def previous():
    """The older binary, and what it is."""
    named = os.environ.get("BATON_PREVIOUS")
    if named:
        return pathlib.Path(named), f"BATON_PREVIOUS={named}"
    commit = previous_commit()
    if commit is None:
        return places.baton(), "NOT TWO VERSIONS, there is no history to take an older one from"
    folder = places.WORK / "previous"
    binary = folder / f"baton-{commit[:12]}"
    began = time.monotonic()
    if not binary.exists():
        build(commit, folder, binary)
    return binary, f"commit {commit[:12]} (built in {time.monotonic() - began:.0f} s)"


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=places.ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def previous_commit():
    """The commit before the one under test; the last one when there are changes that are not committed."""
    is_changed = git("status", "--porcelain", "--", "crates", "Cargo.lock")
    if is_changed is None:
        return None
    return git("rev-parse", "--verify", "--quiet", "HEAD" if is_changed else "HEAD~1")


def build(commit, folder, binary):
    """Builds a commit's binary from its source in the history."""
    source, target = folder / "source", folder / "target"
    for old in (source, target):
        shutil.rmtree(old, ignore_errors=True)
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=places.ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    # What was built of other people's crates serves both. Not the folder itself: cargo tells the crates of two copies
    # of one workspace apart by their times alone.
    shutil.copytree(places.target_folder() / "debug", target / "debug", ignore=of_this_workspace)
    command = ["cargo", "build", "--quiet", "--package", "baton-server", "--locked"]
    subprocess.run(command, cwd=source, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    shutil.move(target / "debug" / "baton", binary)
    for old in (source, target):
        shutil.rmtree(old)


def of_this_workspace(folder, names):
    """What the older build has no use for: our own crates, and programs."""
    is_of_deps = pathlib.Path(folder).name == "deps"
    return [name for name in names if "baton" in name or name in ("incremental", "examples")
            or is_of_deps and not pathlib.Path(name).suffix]
