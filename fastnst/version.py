"""The version of fastnst."""

__version__ = "0.2.0"
