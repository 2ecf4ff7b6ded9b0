"""The version of fastnst."""

__version__ = "0.1.0"
