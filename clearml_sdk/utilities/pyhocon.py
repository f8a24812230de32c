"""HOCON as `clearml.utilities.pyhocon`: the library of that name."""

from pyhocon import ConfigFactory, ConfigTree, HOCONConverter

__all__ = ["ConfigFactory", "ConfigTree", "HOCONConverter"]
