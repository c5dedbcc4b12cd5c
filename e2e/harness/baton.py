"""The engine's processes: the whole server, or one role each."""
import http.client

from . import api, places, processes, waiting

START_SECONDS = 30
START_ATTEMPTS = 3


class Baton:
    """One running `baton` process that listens on a port of its own."""

    role = "server"

    def __init__(self, name, database_url, port=None, arguments=(), binary=None, environment=None):
        self.name, self.database_url, self.arguments = name, database_url, tuple(arguments)
        self.binary = binary or places.baton()
        self.port, self.environment = port, environment
        self.start()

    def start(self):
        """Starts it; on the same port as before, so that clients find it again."""
        fixed = self.port is not None
        for attempt in range(START_ATTEMPTS):
            self.port = self.port if fixed else processes.free_port()
            self.process = processes.Process(self.name, self.command(), self.environment)
            try:
                waiting.until(self.healthy_or_gone, START_SECONDS, f"{self.name} answers")
                return
            except AssertionError:
                self.process.kill()
                if attempt == START_ATTEMPTS - 1:
                    raise AssertionError(f"{self.name} does not start:\n{self.process.last_words()}") from None

    def command(self):
        listen = f"127.0.0.1:{self.port}"
        return [self.binary, self.role, "--listen", listen, "--database-url", self.database_url, *self.arguments]

    def healthy_or_gone(self):
        if not self.process.running():
            raise waiting.Late(f"{self.name} ended")
        return self.healthy()

    def healthy(self):
        """Whether `GET /health` answers 200."""
        try:
            return api.Client(self.url, timeout_s=5).call("GET", "/health")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self):
        return f"{self.url}/api"

    def client(self):
        return api.Client(self.api_url)

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Gateway(Baton):
    """The API and the engine, without the built-in executor."""

    role = "gateway"


class Executor:
    """The built-in executor alone; it knows a gateway's address and no database."""

    def __init__(self, name, server_url, arguments=(), binary=None):
        self.name, self.server_url, self.arguments = name, server_url, tuple(arguments)
        self.binary = binary or places.baton()
        self.start()

    def start(self):
        command = [self.binary, "executor", "--server-url", self.server_url, *self.arguments]
        self.process = processes.Process(self.name, command)

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()
