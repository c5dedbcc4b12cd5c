"""A small client of the REST API: one connection a thread, JSON in and out."""
import http.client
import json
import select
import threading
import urllib.parse


class Refused(AssertionError):
    """The server answered, and not with success."""

    def __init__(self, method, path, status, answer):
        super().__init__(f"{method} {path}: {status} {str(answer)[:300]}")
        self.status, self.answer = status, answer


class Client:
    """Calls one server; every thread that uses it has a connection of its own."""

    def __init__(self, url, timeout_s=30):
        self.url, self.timeout_s = url, timeout_s
        self.address = urllib.parse.urlsplit(url)
        self.local = threading.local()

    def call(self, method, path, body=None):
        """Status and body, parsed where it is JSON. `OSError` or `HTTPException` when nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/plain, */*"}
        connection = getattr(self.local, "connection", None) or self.connect()
        if was_closed(connection):
            connection = self.connect()
        try:
            connection.request(method, self.address.path.rstrip("/") + path, data, headers)
            response = connection.getresponse()
            raw = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.local.connection = None
            connection.close()
            raise
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw

    def expect(self, method, path, body=None):
        """The body of a successful answer."""
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise Refused(method, path, status, answer)
        return answer

    def connect(self):
        host, port = self.address.hostname, self.address.port
        self.local.connection = http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        return self.local.connection


def was_closed(connection):
    """Whether the server has closed this connection while it was idle; clients of any library look before they use it."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
