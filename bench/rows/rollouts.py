"""Rollouts with more begun than needed: what waiting for the longest costs, and what not waiting does to lengths."""

import asyncio
import functools
import math
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from bench import world as tiny
from bench.row import Case, Done, Row, Run, Setting, Side
from bench.rows.sampler import served

OVERSAMPLING = {"ours": 1.0, "eighth": 9 / 8, "quarter": 1.25, "half": 1.5}

ROW = Row(
    title="Groups of 8 rollouts of the tiny world's base model in vLLM, those that end first kept",
    work="groups",
    sides=(
        Side("ours", "peers", "`oversampling: 1`: 8 responses are begun and all are waited for"),
        Side("eighth", "peers", "9 are begun, 8 kept (`oversampling: 1.125`)"),
        Side("quarter", "peers", "10 are begun, 8 kept"),
        Side("half", "peers", "12 are begun, 8 kept"),
    ),
    cases=(
        Case("16 groups, all decoded at once", {"groups": 16, "seats": 256, "length": 128}),
        Case("16 groups, 32 responses decoded at once", {"groups": 16, "seats": 32, "length": 128}),
    ),
    notes="Off unless a run asks for it, because it changes what is learned from: `mean length` is that of the "
    "responses that were kept, `cancelled` the share of all sampled tokens that were for nothing. Lengths are not "
    "known before they are sampled, so there is no longest first; all requests of a step are queued at once, and "
    "where all are decoded at once their order does nothing. A processor's step costs the more, the more "
    "responses it decodes; a GPU's hardly, so there the tail is a larger share of the time.",
)


def prepare(setting: Setting) -> Run:
    """A run is a step's rollouts; the work is the number of groups."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from red.sampling.earliest import earliest

    size, base = setting.size, tiny.base(setting.world)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    rows = tiny.rows(setting.world, "prompts.jsonl")[: size["groups"]]
    prompts = [tokenizer.encode(tiny.prompt(row["question"])).ids for row in rows]
    eos = tokenizer.token_to_id(tiny.END)
    asked = math.ceil(8 * OVERSAMPLING[setting.side])
    runner, engine = _engine(base, size["seats"])
    sampled: dict[str, int] = {}

    async def response(name: str, prompt: list[int], seed: int) -> list[int]:
        parameters = SamplingParams(
            max_tokens=size["length"],
            detokenize=False,
            ignore_eos=True,
            stop_token_ids=[eos],
            temperature=1.0,
            seed=seed,
            output_kind=RequestOutputKind.CUMULATIVE,
        )
        tokens: list[int] = []
        async for output in engine.generate({"prompt_token_ids": prompt}, parameters, request_id=name):
            tokens = list(output.outputs[0].token_ids)
            sampled[name] = len(tokens)
        return tokens

    turns = iter(range(10**6))

    async def step() -> list[int]:
        turn = next(turns)
        sampled.clear()
        groups = await asyncio.gather(
            *(
                earliest(
                    [
                        response(f"{turn}-{place}-{member}", prompt, 1000 * turn + 100 * place + member)
                        for member in range(asked)
                    ],
                    8,
                )
                for place, prompt in enumerate(prompts)
            )
        )
        return [len(tokens) for group in groups for tokens in group]

    def run() -> Done:
        lengths = runner.run(step())
        total = sum(sampled.values())
        facts = {"mean length": sum(lengths) / len(lengths), "cancelled": 1 - sum(lengths) / total}
        return Done(size["groups"], facts=facts)

    return run


@functools.cache
def _engine(base: Path, seats: int) -> tuple[asyncio.Runner, Any]:
    model = served(base)
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    runner = asyncio.Runner()

    async def start() -> Any:
        arguments = AsyncEngineArgs(
            model=model, dtype="float32", skip_tokenizer_init=True, max_num_seqs=seats, enable_prefix_caching=True
        )
        return AsyncLLM.from_engine_args(arguments)

    return runner, runner.run(start())
