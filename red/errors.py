"""Errors that users can act on. Each message is one line that names the file, row or key."""


class RedError(ValueError):
    """Base of every error whose message is enough to fix the cause."""


class ConfigError(RedError):
    """A key of the configuration is unknown, missing, or has an impossible value."""


class DataError(RedError):
    """A file or one of its rows cannot be used."""


class NumericalError(RedError):
    """A loss or gradient is not finite; the offending batch has been saved for replay."""
