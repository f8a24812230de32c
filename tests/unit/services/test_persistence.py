"""What is said about what a store may lose."""

import pytest

from control_plane.services.persistence import judge


@pytest.mark.parametrize(
    ("settings", "crash", "power", "word"),
    [
        ({"appendonly": "yes", "appendfsync": "always"}, True, True, "on disk"),
        ({"appendonly": "yes", "appendfsync": "everysec"}, True, False, "last second"),
        ({"appendonly": "yes", "appendfsync": "no"}, True, False, "appendfsync always"),
        ({"appendonly": "no", "save": "3600 1"}, False, False, "snapshot"),
        ({"appendonly": "no", "save": ""}, False, False, "nothing"),
        ({}, None, None, "does not tell"),
    ],
)
def test_each_setting_is_told_for_what_it_is(
    settings: dict[str, str], crash: bool | None, power: bool | None, word: str
) -> None:
    found = judge(settings)
    assert (found.survives_crash, found.survives_power_cut) == (crash, power)
    assert word in found.text
