"""Chat templates are programs in Jinja that come with a model. They run in transformers' sandbox, in a process that can
be killed: a sandbox keeps them from the machine, not from computing without end."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from threading import Lock

from red import confinement
from red.errors import DataError, RedError
from red.text import chat_worker as program

Message = Mapping[str, str]  # role, content
# Llama 3.2 writes the day into its system message. A prompt must not change overnight, so it is always the day that
# Llama itself takes where no clock is at hand.
DAY = "26 Jul 2024"
SECONDS = 5
"""Processor time for one text, whole seconds."""

TRIES = 3
"""Processes that may be lost over one text."""


class Refused(DataError):
    """A template's own words against the messages: some know no system role."""


def render_chat(
    template: str, messages: Sequence[Message], special_tokens: Mapping[str, str], *, opens_answer: bool = True
) -> str:
    """The messages as text, with the head of the assistant's answer if it `opens_answer`.

    Refused if the template refuses the messages; DataError if it needs more time, memory or text than a template may.
    """
    variables = {"date_string": DAY, **special_tokens}
    is_done, text = _renderer(os.getpid()).render([template, messages, opens_answer, variables, SECONDS])
    if is_done:
        return text
    raise Refused(f"the model's chat template refuses messages of {', '.join(m['role'] for m in messages)}: {text}")


@cache
def _renderer(owner: int) -> "_Renderer":
    """That of a process; a fork does not share its parent's."""
    return _Renderer()


@dataclass(slots=True)
class _Renderer:
    """A process that renders one text after the other; it ends when nobody holds the other end of its channel."""

    lock: Lock = field(default_factory=Lock)
    running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def render(self, request: Sequence[object]) -> tuple[bool, str]:
        """Whether the template has rendered, and its text or its words. One that was killed says nothing about it."""
        message = json.dumps(request).encode()
        with self.lock:
            for _ in range(TRIES):
                process, channel = self.running or confinement.start(program.__name__)
                self.running = None  # until it has answered: one that is interrupted answers too late
                try:
                    channel.send_bytes(message)
                    outcome, text = json.loads(confinement.reply(process, channel))
                except (EOFError, OSError):
                    channel.close()
                    status = process.wait()
                    if status != -signal.SIGXCPU:
                        continue
                    outcome, text = program.TOO_MUCH, f"{SECONDS} s of processor time"
                else:
                    self.running = process, channel
                if outcome == program.TOO_MUCH:
                    raise DataError(f"the model's chat template needs more than {text} for one prompt")
                return outcome == program.RENDERED, text
        raise RedError(f"chat template: {TRIES} processes in a row ended over one prompt (status {status})")
