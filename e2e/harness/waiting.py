"""Waiting for a condition, with a bound; nothing here waits for a fixed time."""
import time


class Late(AssertionError):
    """The condition did not hold within the bound."""


def until(condition, seconds, what):
    """The first true answer of `condition`; `Late` when there is none within `seconds`."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Late(f"{what}: not within {seconds} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
