"""Loggers and callbacks for libraries that take them."""
