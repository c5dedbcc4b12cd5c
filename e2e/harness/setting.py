"""One store's setting: where databases come from, and servers on them."""
import itertools
import shutil

from . import baton, places, postgres

STORES = ("sqlite", "postgres")
NUMBERS = itertools.count(1)


class Setting:
    """A store, and what is made on it."""

    def __init__(self, store):
        self.store = store
        self.postgres = postgres.Postgres() if store == "postgres" else None

    def database(self):
        """The URL of a database that nobody has used."""
        if self.postgres:
            return self.postgres.database()
        folder = places.WORK / "sqlite"
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:{folder / f'{next(NUMBERS)}.db'}"

    def server(self, purpose):
        """A whole server on a fresh database."""
        return baton.Baton(f"{purpose}-{self.store}", self.database())

    def close(self):
        if self.postgres:
            self.postgres.close()
        shutil.rmtree(places.WORK / "sqlite", ignore_errors=True)
