"""A Prometheus of the test's own that reads `deploy/prometheus`, with every minute a second."""
import json
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request

from . import places, processes, waiting

RULES = places.ROOT / "deploy" / "prometheus"
START_SECONDS = 30
# A limit that is a time in seconds: PromQL has no unit there.
LIMIT_IN_SECONDS = {"> 300": "> 5"}


def hurried(text):
    """The rules with a second for every minute, so that a fault of minutes is one of seconds."""
    text, windows = re.subn(r"\[(\d+)m\]", r"[\1s]", text)
    text, waits = re.subn(r"for: (\d+)m$", r"for: \1s", text, flags=re.MULTILINE)
    for limit, second in LIMIT_IN_SECONDS.items():
        assert text.count(limit) == 1, f"{limit} is in {text.count(limit)} rules"
        text = text.replace(limit, second)
    assert windows and waits and not re.search(r"\d+m\b(?!s)", text.replace("exp", "")), "a time is left in minutes"
    return text


class Prometheus:
    """A running one."""

    def __init__(self, targets):
        """Targets by job, as host and port."""
        self.folder = places.WORK / "prometheus"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.port = processes.free_port()
        (self.folder / "alerts.yaml").write_text(hurried((RULES / "alerts.yaml").read_text()))
        jobs = [{"job_name": job, "static_configs": [{"targets": addresses}]} for job, addresses in targets.items()]
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config = {"global": every, "rule_files": ["alerts.yaml"], "scrape_configs": jobs}
        (self.folder / "prometheus.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.process = processes.Process("prometheus", [
            "prometheus", "--config.file", self.folder / "prometheus.yaml", "--storage.tsdb.path", self.folder / "data",
            "--web.listen-address", f"127.0.0.1:{self.port}"])
        waiting.until(self.ready, START_SECONDS, "Prometheus is ready")

    def ready(self):
        assert self.process.running(), f"Prometheus ended:\n{self.process.last_words()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def query(self, expression):
        """(labels, value) of each series now."""
        words = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{words}", timeout=10) as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        return [(series["metric"], float(series["value"][1])) for series in found]

    def firing(self):
        """(alert, what it is about) of each that fires."""
        found = self.query('ALERTS{alertstate="firing"}')
        return {(labels["alertname"], labels.get("queue") or labels.get("task_type") or labels.get("job") or "") for labels, _ in found}

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
