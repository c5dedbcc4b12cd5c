"""Calls to servers that may die: repeated until one of them answers with something final."""
import http.client
import time

from harness import api

LOST = (OSError, http.client.HTTPException)
# Unavailable, or too busy: what a client is told to repeat.
REPEATED = (429, 503)
GIVE_UP_S, PAUSE_S, TIMEOUT_S = 60, 0.05, 8


class Unanswered(AssertionError):
    """Nobody gave a final answer in time."""


class Calls:
    """A client of several servers; threads may share it."""

    def __init__(self, urls, first=0):
        self.clients, self.turn = [api.Client(url, timeout_s=TIMEOUT_S) for url in urls], first

    def call(self, method, path, body=None):
        """Status and answer. The call may be made more than once."""
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                status, answer = self.clients[self.turn % len(self.clients)].call(method, path, body)
                if status not in REPEATED:
                    return status, answer
            except LOST as error:
                status, answer = 0, error
            if time.monotonic() > deadline:
                raise Unanswered(f"{method} {path}: no final answer within {GIVE_UP_S} s: {status} {answer}")
            self.turn += 1
            time.sleep(PAUSE_S)

    def expect(self, method, path, body=None):
        """The answer of a call that succeeds."""
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise api.Refused(method, path, status, answer)
        return answer
