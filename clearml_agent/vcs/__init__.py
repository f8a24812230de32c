"""The code of a task in a directory: fetched, checked out and patched, or written from the recorded script."""

from clearml_agent.errors import CheckoutFailed
from clearml_agent.vcs.checkout import Checkout, checkout
from clearml_agent.vcs.settings import Credential, GitSettings

__all__ = ["Checkout", "CheckoutFailed", "Credential", "GitSettings", "checkout"]
