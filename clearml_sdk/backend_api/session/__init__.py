"""The API of the server for scripts, see `client`."""
