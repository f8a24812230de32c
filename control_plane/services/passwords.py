"""Passwords: argon2id hashes, made and checked off the loop, a few at a time.

Unlike keys, people's passwords can be guessed: their hashes are slow and take memory on purpose, so no more than
`AT_ONCE` are worked on together, whoever asks.
"""

import asyncio
import secrets
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from control_plane.services.errors import validation

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 8, 1024
"""Characters; the upper bound is against making the server hash megabytes."""
MEMORY_KIB, ROUNDS, LANES = 32 * 1024, 3, 1
"""About 90 ms of one core and 32 MiB for one check."""
AT_ONCE = 2


class Passwords:
    """Makes and checks hashes; one object a process, for it bounds how many are worked on."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """What is stored of a password, its own salt included."""
        async with self._room:
            return await asyncio.to_thread(_hasher().hash, password)

    async def is_right(self, stored: str | None, password: str, *, admit: Callable[[], None] = lambda: None) -> bool:
        """True when the password is the stored one. With nothing stored: the same work, and False.

        That a user does not exist takes as long to find out as that the password is wrong.

        Args:
            admit: called before the work begins; may raise. Of many guesses that came together, those that waited for
                their turn are refused once the first ones were wrong.
        """
        async with self._room:
            admit()
            return await asyncio.to_thread(_check, stored, password[: LONGEST + 1])


def accept(password: str) -> None:
    """Raise 400/12 for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise validation(f"a password has {SHORTEST} to {LONGEST} characters", field="password")


def generated() -> str:
    """A new password of 120 bits, fit to be read aloud."""
    text = secrets.token_hex(15)
    return "-".join(text[at : at + 6] for at in range(0, 30, 6))


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # for cost: many servers never see a password

    return PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES)


@cache
def _nobody() -> str:
    return _hasher().hash(secrets.token_hex(16))


def _check(stored: str | None, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
