"""What was reported and is not yet at the server: in memory-mapped files that survive the process that wrote them."""

from clearml_sdk.journal.delivery import Delivery, deliver

__all__ = ["Delivery", "deliver"]
