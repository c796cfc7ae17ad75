"""A process that renders chat templates: `python -m red.text.chat_worker CHANNEL`.

Requests and replies are JSON messages, one at a time: `[template, messages, opens_answer, variables, seconds]` ->
`[RENDERED, text]`, `[REFUSED, the template's words]` or `[TOO_MUCH, of what]`. The process is confined
(red.confinement); after so many seconds of processor time the kernel ends it with SIGXCPU.
"""

import json
import resource
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from red import confinement

MEMORY = 1 << 30
"""Bytes of address space."""

LONGEST = 16 << 20
"""Characters of one text."""

RENDERED, REFUSED, TOO_MUCH = "rendered", "refused", "too much"


def main() -> None:
    """Serve requests until the other end is closed."""
    channel = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    from transformers.utils import chat_template_utils  # noqa: F401  before there are limits

    confinement.confine(MEMORY)
    while True:
        try:
            *request, seconds = json.loads(channel.recv_bytes())
        except EOFError:
            return
        confinement.limit(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)
        channel.send_bytes(json.dumps(rendered(*request)).encode())


def rendered(
    template: str, messages: list[dict[str, str]], opens_answer: bool, variables: dict[str, Any]
) -> tuple[str, str]:
    """What becomes of one request."""
    # Not at the top: the process that asks knows our names, and never pays for this import.
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        text = render_jinja_template(
            [messages], chat_template=template, add_generation_prompt=opens_answer, **variables
        )[0][0]
    except MemoryError:
        return TOO_MUCH, f"{MEMORY >> 20} MiB of memory"
    except Exception as error:  # a template is somebody's program: it raises what it likes
        return REFUSED, str(error)[:1000]
    return (RENDERED, text) if len(text) <= LONGEST else (TOO_MUCH, f"{LONGEST:,} characters")


if __name__ == "__main__":
    main()
