"""A container's arguments as a `docker run` command line that may be shown. Pure.

Source: contract/agent_behaviour.md 16.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from clearml_agent.docker.options import Option
from clearml_agent.masking import URL_PASSWORD

MASK = "********"
SECRET_NAMES = re.compile(
    r"(^|_)(GIT_PASS|API_SECRET_KEY|AWS_SECRET_ACCESS_KEY|AZURE_STORAGE_KEY|AUTH_TOKEN)$"
    r"|SECRET|PASSWORD|PASSWD|TOKEN|API_KEY",
    re.IGNORECASE,
)


def command(image: str, options: Sequence[Option], *, hides: bool, hidden: Sequence[str] = ()) -> str:
    """What is run, values of secret variables and passwords in addresses masked."""
    words = ["docker", "run"]
    for option in options:
        if option.name != "env":
            words += [masked_url(word) if hides else word for word in option.words]
            continue
        name, equals, value = option.value.partition("=")
        if hides and equals:
            value = MASK if SECRET_NAMES.search(name) or name in hidden else masked_url(value)
        words += [option.written or "--env", f"{name}{equals}{value}"]
    return " ".join(word if word == MASK else shlex.quote(word) for word in [*words, image])


def masked_url(text: str) -> str:
    """Without passwords in addresses."""
    return URL_PASSWORD.sub(rf"\1:{MASK}@", text)
