"""What other libraries' integrations turn off and on by the names of official bindings, while a run goes on."""

from __future__ import annotations

from clearml_sdk.bindings import frameworks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class BindingSwitch:
    """A binding of the run of this process, by its name in `auto_connect_frameworks`."""

    framework: ClassVar[str] = ""

    @classmethod
    def update_current_task(cls, task: Any, **_: Any) -> None:
        """None: this binding records nothing from now on. A task: it does as `Task.init` was told."""
        frameworks.turn(cls.framework, is_off=task is None)
