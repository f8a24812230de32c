"""The API of the server for scripts: `session.client.APIClient`. Under the paths that scripts import it from."""
