"""Errors that users can act on. Each message is one line that names the file, row or key."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def foreign(where: str) -> Iterator[None]:
    """Whatever other people's library raises on other people's files, as one DataError that begins with `where`.

    A panic of a library in Rust is no Exception, and writes lines of its own, which are left out. For one thread at a
    time.
    """
    errors, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    except (RedError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise DataError(f"{where} ({error})") from None
    finally:
        os.dup2(errors, 2)
        os.close(errors)
        os.close(nowhere)
