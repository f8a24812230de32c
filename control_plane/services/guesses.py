"""Wrong secrets are counted: who guesses passwords is asked to wait, before anything is compared.

    one user from one address     `wrong_passwords_per_min`, as many at once
    one address                   ten times that, whatever it tries: passwords of many users, keys
    one user from anywhere        thirty times that; a user who is attacked from everywhere cannot log in with the
                                  password for a while, but keys and open sessions go on

Right ones are not counted. Counted in each process: with N servers over one Redis a guesser gets N times as many.
"""

import time
from dataclasses import dataclass

from control_plane.services.buckets import Buckets
from control_plane.services.errors import ApiError, too_many


@dataclass(frozen=True, slots=True)
class Guesses:
    """What was guessed wrong, by whom."""

    pairs: Buckets
    addresses: Buckets
    users: Buckets

    @classmethod
    def allowing(cls, per_min: float) -> "Guesses":
        """Limits from the one setting; 0: no limits."""
        each = [Buckets(per_min * factor / 60, per_min * factor) for factor in (1, 10, 30)]
        return cls(*each)

    def check(self, name: str, address: str) -> None:
        """Raise 429, saying how long to wait, when too many wrong passwords were given."""
        now = time.monotonic()
        wait_s = max(
            self.pairs.wait_s(f"{address}\0{name}", now),
            self.addresses.wait_s(address, now),
            self.users.wait_s(name, now),
        )
        if wait_s:
            raise _wait(wait_s)

    def check_address(self, address: str) -> None:
        """Raise 429 when too many wrong secrets of any kind came from an address."""
        wait_s = self.addresses.wait_s(address, time.monotonic())
        if wait_s:
            raise _wait(wait_s)

    def wrong(self, name: str, address: str) -> None:
        """A wrong password for a user; the name need not exist."""
        now = time.monotonic()
        self.pairs.take(f"{address}\0{name}", now)
        self.addresses.take(address, now)
        self.users.take(name, now)

    def wrong_key(self, address: str) -> None:
        """A wrong secret of a key."""
        self.addresses.take(address, time.monotonic())


def _wait(wait_s: float) -> ApiError:
    return too_many("too many wrong passwords or keys", wait_s)
