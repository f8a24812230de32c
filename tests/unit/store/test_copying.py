"""What a backup must be able to copy: every type of key that the store uses."""

from __future__ import annotations

import inspect

from control_plane.store import keys
from control_plane.store.copying import READERS


def test_every_type_of_key_can_be_copied() -> None:
    functions = [found for found in vars(keys).values() if inspect.isfunction(found)]
    documented = {(found.__doc__ or "").split()[0].strip(":,").lower().encode() for found in functions}
    types = documented & {b"string", b"hash", b"list", b"set", b"zset", b"stream"}
    assert len(types) >= 5
    assert types <= set(READERS)


def test_keys_of_events_name_their_owner() -> None:
    assert keys.owner_of(keys.event_meta("abc").encode()) == "abc"
    assert keys.owner_of(keys.event_stream("abc", 3, "scalar").encode()) == "abc"
    assert keys.owner_of(keys.document("task", "abc").encode()) is None
    assert keys.is_ours(keys.changes().encode())
    assert not keys.is_ours(b"somebody:else")
