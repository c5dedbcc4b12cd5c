"""Published Conductor SDKs, unchanged, against a running server.

Python and JavaScript: our own five-step order with a retry, written with the SDK and installed here.
Rust: the live tests that the crate `conductor-sdk` ships in its package, but for `clients/rust/exceptions.json`.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

from harness import installing, places

CLIENTS = places.E2E / "clients"
CLIENT_SECONDS = 180
RUST_CRATE, RUST_VERSION = "conductor-sdk", "0.2.0"
RUST_TESTS = ("worker_tests", "workflow_client_tests", "task_client_tests", "integration_tests")
RUST_BUILD_SECONDS = 1200
EXECUTIONS = "executions: "


def run_python(setting, results):
    """A worker, a definition and starts through `conductor-python`."""
    with results.case(f"{setting.store} python SDK: five steps, one retry"):
        python = installing.python_environment("python", CLIENTS / "python" / "requirements.txt") / "bin" / "python"
        with setting.server("python") as server:
            ids = run_client([python, CLIENTS / "python" / "order.py"], server.api_url, places.WORK)
            check_orders(server.client(), ids, "py_")


def run_javascript(setting, results):
    """The same through `@io-orkes/conductor-javascript`."""
    with results.case(f"{setting.store} javascript SDK: five steps, one retry"):
        folder = install_javascript()
        with setting.server("javascript") as server:
            ids = run_client(["node", folder / "order.mjs"], server.url, folder)
            check_orders(server.client(), ids, "js_")


def run_rust(setting, results):
    """The SDK crate's own tests; a listed one that passes is a fault of the list."""
    listed = json.loads((CLIENTS / "rust" / "exceptions.json").read_text())
    source = unpack_rust_crate()
    with setting.server("rust") as server:
        for binary in RUST_TESTS:
            for test, passed, words in rust_tests(source, binary, server.api_url):
                judge_rust(f"{binary}::{test}", passed, words, listed, setting.store, results)


def judge_rust(test, passed, words, listed, store, results):
    name = f"{store} rust SDK {test}"
    if test in listed and passed:
        results.fail(name, "passes now: take it off e2e/clients/rust/exceptions.json")
    elif test in listed:
        print(f"listed  {name}  ({listed[test]})", flush=True)
    elif passed:
        results.ok(name)
    else:
        results.fail(name, words)


def run_client(command, server_url, folder):
    """Runs a client program to its end; the execution ids on its line `executions: [...]`.

    The SDKs write lines of their own to stdout, before it and after it."""
    environment = {**os.environ, "CONDUCTOR_SERVER_URL": server_url}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False)
    said = f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, f"the client ended with {done.returncode}:\n{said}"
    named = [line.removeprefix(EXECUTIONS) for line in done.stdout.splitlines() if line.startswith(EXECUTIONS)]
    assert len(named) == 1, f"the client named no executions:\n{said}"
    return json.loads(named[0])


def check_orders(client, ids, prefix):
    """Each order completed, its steps in order, the third at the second try, each output passed on."""
    steps = [prefix + step for step in ("check", "reserve", "charge", "charge", "pack", "ship")]
    assert ids, "no execution"
    for one in ids:
        execution = client.expect("GET", f"/workflow/{one}?includeTasks=true")
        assert execution["status"] == "COMPLETED", f"{one} is {execution['status']}"
        seen = [task["referenceTaskName"] for task in execution["tasks"]]
        assert seen == steps, f"steps {seen}"
        assert [task["status"] for task in execution["tasks"]] == ["COMPLETED"] * 2 + ["FAILED"] + ["COMPLETED"] * 3
        assert execution["tasks"][3].get("retryCount") == 1, "the second charge is not the first retry"
        assert "refused" in execution["tasks"][2].get("reasonForIncompletion", ""), "the reason of the failure is gone"
        assert len(execution["output"]["done"]) == 5, f"output {execution['output']}"


def install_javascript():
    """A folder with the SDK in its node_modules, and our program."""
    wanted = [CLIENTS / "javascript" / name for name in ("package.json", ".npmrc", "order.mjs")]

    def install(folder):
        folder.mkdir(parents=True)
        for path in wanted:
            shutil.copy(path, folder)
        installing.command(["npm", "install", "--silent"], folder)

    return installing.once("javascript", wanted, install)


def unpack_rust_crate():
    """The crate's source as cargo fetched it, in a folder of ours that cargo may write to."""
    def install(folder):
        asker = folder.with_name("rust-asker")
        shutil.rmtree(asker, ignore_errors=True)
        (asker / "src").mkdir(parents=True)
        (asker / "src" / "lib.rs").touch()
        (asker / "Cargo.toml").write_text(
            '[package]\nname = "asker"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n'
            f'[dependencies]\n{RUST_CRATE} = "={RUST_VERSION}"\n')
        installing.command(["cargo", "fetch", "--quiet"], asker)
        home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
        [source] = home.glob(f"registry/src/*/{RUST_CRATE}-{RUST_VERSION}")
        shutil.copytree(source, folder)
        with open(folder / "Cargo.toml", "a", encoding="utf-8") as manifest:
            manifest.write("\n[workspace]\n")  # it lies below ours and is no member of it

    return installing.once("rust", [pathlib.Path(__file__)], install)


def rust_tests(source, binary, server_url):
    """(name, passed, what it said) of each test of one of the crate's test programs."""
    environment = {**os.environ, "CONDUCTOR_SERVER_URL": server_url, "CARGO_PROFILE_DEV_DEBUG": "0", "RUST_BACKTRACE": "0",
                   "CARGO_TARGET_DIR": str(places.target_folder() / "conductor-sdk")}
    done = subprocess.run(
        ["cargo", "test", "--locked", "--test", binary, "--", "--test-threads=4", "--skip=common::"],
        cwd=source, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=RUST_BUILD_SECONDS, check=False)
    found = re.findall(r"^test (\S+) \.\.\. (ok|FAILED)$", done.stdout, re.MULTILINE)
    assert found, f"{binary} ran no test:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    for name, verdict in found:
        yield name, verdict == "ok", own_words(done.stdout, name)


def own_words(output, test):
    """What a failed test printed."""
    _, _, words = output.partition(f"---- {test} stdout ----\n")
    return words.split("\n---- ")[0].split("\nfailures:")[0].strip()[:1500]
