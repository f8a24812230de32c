"""Make `import clearml` find `clearml_sdk` where the official package is not installed."""


def install() -> None:
    """Add the finder at the end of `sys.meta_path`."""
