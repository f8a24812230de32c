"""The server: API, file server and web page in one process over Redis."""

__version__ = "0.1.0"
