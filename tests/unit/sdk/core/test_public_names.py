"""Names that scripts import: those that are here, and those that only say why they are not."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from typing import Any

import jwt
import pytest

import clearml_sdk
from clearml_sdk.backend_api import load_config
from clearml_sdk.backend_api.session import DataModel, Session, TokenManager, schema_property

COMMERCIAL = (
    "DataEntry DataEntryImage DataSubEntry DataSubEntryImage DataView HyperDataset HyperDatasetManagement "
    "HyperDatasetQuery"
)


@pytest.mark.parametrize("name", COMMERCIAL.split())
@pytest.mark.parametrize("module", ["clearml_sdk", "clearml_sdk.hyperdatasets"])
def test_hyper_datasets_say_what_they_are(module: str, name: str) -> None:
    with pytest.raises(ImportError, match=f"{name}: hyper-datasets need ClearML's commercial server"):
        getattr(importlib.import_module(module), name)


def test_every_public_name_is_there() -> None:
    assert all(getattr(clearml_sdk, name) is not None for name in clearml_sdk.__all__)
    assert not hasattr(clearml_sdk, "NoSuchName")


REACHED = """
import operator, sys, clearml_sdk
for name in sys.argv[1:]:
    assert operator.attrgetter(name)(clearml_sdk).__name__ == "clearml_sdk." + name
for package in ("", ".automation", ".backend_api", ".backend_api.services", ".binding", ".datasets", ".utilities"):
    assert not hasattr(sys.modules["clearml_sdk" + package], "no_such_module"), package
"""


def test_submodules_are_reached_through_the_package_alone() -> None:
    names = (
        "automation.controller automation.job backend_api.services.tasks backend_config.bucket_config "
        "backend_interface.session binding.artifacts binding.frameworks.pytorch_bind datasets.dataset model "
        "storage.manager utilities.proxy_object utilities.resource_monitor version"
    )
    subprocess.run([sys.executable, "-c", REACHED, *names.split()], check=True)


class Tokens(TokenManager):
    """Gives tokens of one minute, or as long as is asked."""

    asked: list[Any]

    def _do_refresh_token(self, old_token: str | None, exp: int | None = None) -> str:
        self.asked.append((old_token, exp))
        return token_of(exp or 60)


def token_of(lives_s: float) -> str:
    return jwt.encode({"exp": int(time.time() + lives_s)}, "a key that is long enough for this")


def test_a_token_is_renewed_before_it_expires() -> None:
    history: dict[str, float] = {}
    first = token_of(1000)
    tokens = Tokens(token=first, token_history=history, req_token_expiration_sec=3000)
    tokens.asked = []
    assert tokens.token == tokens.raw_token == first and not tokens.asked
    assert 900 < tokens.get_token_valid_period_sec() <= 1000
    tokens.token_expiration_threshold_sec = 1500
    second = tokens.token
    assert tokens.asked == [(first, 3000)] and second == tokens.raw_token != first
    assert list(history) == [first, second]
    assert Tokens.get_decoded_token(second)["exp"] == tokens.token_expiration_sec > time.time() + 2000
    with pytest.raises(ValueError, match="no token"):
        Tokens.get_decoded_token("nothing")
    assert issubclass(Session, TokenManager)


class Named(DataModel):
    _schema = {"type": "object", "properties": {"full name": {"type": "string"}}, "required": ["full name"]}  # noqa: RUF012
    _name: str | None = None

    @schema_property("full name")
    def name(self) -> str | None:
        """What it is called."""
        return self._name

    @name.setter  # type: ignore[no-redef]  # mypy knows `property` alone
    def name(self, value: str) -> None:
        self.assert_isinstance(value, "name", (str,))
        self._name = value


def test_fields_of_a_data_model_can_be_properties() -> None:
    named = Named()
    with pytest.raises(ValueError, match="lacks full name"):
        named.validate()
    named.name = "a b"  # type: ignore[method-assign]
    named.validate()
    assert named.to_dict() == {"full name": "a b"} and Named.name.__doc__ == "What it is called."
    with pytest.raises(TypeError):
        named.name = 3  # type: ignore[method-assign]


def test_settings_are_found_by_their_dotted_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML__API__SOMETHING__OF_MINE", "7")
    assert str(load_config().get("api.something.of_mine")) == "7"
    assert load_config().get("api.no.such", None) is None
    with pytest.raises(KeyError):
        load_config().get("api.no.such")
