"""Errors that users can act on. Each message is one line that names the file, row or key."""

from red import escape


class RedError(ValueError):
    """Base of every error whose message is enough to fix the cause."""


class ConfigError(RedError):
    """A key of the configuration is unknown, missing, or has an impossible value."""


class DataError(RedError):
    """A file or one of its rows cannot be used."""


class NumericalError(RedError):
    """A number is not finite where it must be; a failed update has been saved for replay."""


def one_line(error: Exception) -> str:
    """The message of an error, safe to print; with its files where the operating system raised it.

    Data may hold line ends and terminal escapes; they are shown as escapes.
    """
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        place = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        text = f"{place}: {error.strerror}" if place else error.strerror
    return escape.terminal(text)
