"""Small things under the paths that scripts import them from."""
