"""One rank of a test: our loop over OpenRLHF's training half, in float32, without Ray and vLLM.

Every rank runs the controller too, in step with the others; what Ray would carry between them is
gathered. Rollouts are recorded ones: they depend on the seed, not on the weights.

    RANK=0 WORLD_SIZE=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=29501 python rank_worker.py CASES.json OUT
"""

import json
import os
import random
import runpy
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ray
import torch

from red.errors import NumericalError
from red.plumbing.records import from_mapping
from red.sampling.response import Response
from red.training.files import RunFiles
from red.training.loop import Loop
from red.training.spec import RunSpec


def recorded(eos_id: int, vocabulary: int) -> Any:
    """A `Generate` that ignores the weights."""

    def generate(prompts: Any, samples: int, budgets: Any, seed: int) -> list[list[Response]]:
        source = random.Random(seed)

        def one(budget: int) -> Response:
            tokens = [source.randrange(2, vocabulary) for _ in range(min(budget, source.randint(2, 24)))]
            if source.random() < 0.3:
                return Response(tokens, "length")
            return Response([*tokens[:-1], eos_id], "stop")

        return [[one(budget) for _ in range(samples)] for budget in budgets]

    return generate


def verdicts(cases: Any) -> list[float]:
    """A third of all texts is right."""
    return [float(zlib.crc32(text.encode()) % 3 == 0) for text, _, _ in cases]


def run_of(case: dict) -> RunSpec:
    """The run that a case describes."""
    return from_mapping(RunSpec, case["run"], "case")


def files_of(case: dict, out: Path) -> RunFiles:
    """Its inputs, with the outputs under `out`."""
    world = Path(case["world"])
    inputs = (world / name for name in ("model", "prompts.jsonl", "demonstrations.jsonl"))
    return RunFiles(*inputs, out, teacher=world / "teacher")


class Captured(Exception):
    """Carries what OpenRLHF's parser made of our command line."""


def parsed(run: RunSpec, files: RunFiles) -> Any:
    """The options as OpenRLHF itself reads and checks them."""
    import openrlhf.utils

    from red.engines.openrlhf.arguments import arguments

    def capture(args: Any) -> None:
        raise Captured(args)

    stock, initialized, argv = openrlhf.utils.get_strategy, ray.is_initialized, sys.argv
    openrlhf.utils.get_strategy, ray.is_initialized = capture, lambda: True
    sys.argv = ["train_ppo_ray", *arguments(run, files)]
    try:
        runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__", alter_sys=True)
    except Captured as captured:
        return captured.args[0]
    finally:
        openrlhf.utils.get_strategy, ray.is_initialized, sys.argv = stock, initialized, argv
    raise AssertionError("OpenRLHF did not ask for its strategy")


class Group:
    """Stands for `RayActorGroup`: this rank's actor runs here, the others' results are gathered."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def gathered(self, value: Any) -> list[Any]:
        found = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(found, value)
        return found

    def async_run_method(self, method_name: str, *positional: Any, **named: Any) -> list[Any]:
        return self.gathered(getattr(self.actor, method_name)(*positional, **named))

    def async_run_method_batch(self, method_name: str, **columns: list) -> list[Any]:
        size = len(next(iter(columns.values()))) // torch.distributed.get_world_size()
        start = size * torch.distributed.get_rank()
        method = getattr(self.actor, method_name)
        return self.gathered(
            [method(**{name: values[i] for name, values in columns.items()}) for i in range(start, start + size)]
        )


@dataclass
class FirstUpdate:
    """Gradient and number of micro-batches of a training's first update, on this rank."""

    gradients: dict[str, torch.Tensor] = field(default_factory=dict)
    parts: int = 0


def policy_of(case: dict, run: RunSpec, files: RunFiles, first: FirstUpdate) -> Any:
    """`RemotePolicy` over one actor per rank; what its first update did is put into `first`."""
    from deepspeed.utils import safe_get_full_grad
    from openrlhf.models import Actor
    from openrlhf.trainer.ppo_utils.kl_controller import FixedKLController
    from openrlhf.trainer.ray.ppo_actor import ActorPPOTrainer
    from openrlhf.utils import get_strategy, get_tokenizer
    from transformers import AutoModelForCausalLM

    from red.engines.openrlhf.actor import ObjectiveTrainer, PlainStrategy, PolicyActor
    from red.engines.openrlhf.controller import Controller
    from red.engines.openrlhf.policy import RemotePolicy

    args = parsed(run, files)
    args.ds.param_dtype = case.get("dtype", "fp32")
    # Ranks share their state folder, but not what their copies of the controller write.
    args.ckpt.path = str(files.out.parent / "deepspeed")
    strategy = get_strategy(args)
    strategy.__class__ = PlainStrategy
    strategy.setup_distributed()
    model = AutoModelForCausalLM.from_pretrained(
        files.parent,
        attn_implementation="eager",
        dtype=torch.bfloat16 if args.ds.param_dtype == "bf16" else torch.float32,
    )
    if case.get("broken"):
        model.model.norm.weight.data[0] = float("nan")
    actor = Actor(model, temperature=run.training.temperature)
    actor.packing_samples = run.cluster.packing
    tokenizer = get_tokenizer(str(files.parent), None, "left", strategy)
    options = {
        "optim": "adam",
        "muon": {},
        "adam": vars(args.actor.adam),
        "lr_scheduler": "constant",
        "lr_warmup_ratio": 0.0,
        "scheduler_steps": 100,
        "max_norm": args.actor.max_norm,
    }

    worker = PolicyActor.__new__(PolicyActor)
    worker.strategy, worker.tokenizer, worker._rank = strategy, tokenizer, torch.distributed.get_rank()
    worker.save_hf_ckpt, worker.disable_ds_ckpt, worker.checkpoint_states = False, False, {}
    worker.actor, optimizer, scheduler = strategy.prepare((actor, options))
    folder = Path(args.ckpt.path, "_actor")
    if folder.exists():
        worker.checkpoint_states = strategy.load_ckpt(worker.actor.model, str(folder))[1]
    worker.trainer = ActorPPOTrainer(strategy, worker.actor, None, optimizer, scheduler, tokenizer=tokenizer)
    worker.trainer.__class__ = ObjectiveTrainer
    worker.trainer.attach()
    worker._load_idle_moments()

    step = strategy.optimizer_step

    def recording(*positional: Any, **named: Any) -> None:
        first.parts += not first.gradients
        if not first.gradients and worker.actor.model.is_gradient_accumulation_boundary():
            for name, parameter in worker.actor.model.module.named_parameters():
                first.gradients[name] = safe_get_full_grad(parameter).clone()
        step(*positional, **named)

    strategy.optimizer_step = recording
    trainer = Controller.__new__(Controller)
    trainer.args, trainer.tokenizer, trainer.vllm_engines = args, tokenizer, None
    trainer.actor_model_group, trainer.critic_model_group = Group(worker), None
    trainer.kl_ctl, trainer.wandb_logger, trainer.tensorboard_logger = FixedKLController(0.0), None, None
    trainer.best_eval_metric_key, trainer.best_eval_metric_value = "", float("-inf")
    trainer._latest_eval_metric_value = None
    policy = RemotePolicy(trainer, files.parent, run.training, 0, files.frozen(run.build_method().teacher))
    policy.generate = recorded(policy.codec.stop_ids[0], policy.codec.tokenizer.get_vocab_size())
    return policy


def train(case: dict, out: Path) -> dict[str, Any]:
    """Run a case; `stop_after` cuts it there and continues with everything built anew."""
    run, files = run_of(case), files_of(case, out)
    first = FirstUpdate()
    for end in [*case.get("stop_after", []), None]:
        policy = policy_of(case, run, files, first)
        loop = Loop.start(run, files, policy, verdicts)
        try:
            loop.train(lambda *_: None, lambda end=end, loop=loop: loop.step == end, state_seconds=1e9)
        except NumericalError as error:
            return {"error": str(error)}
    weights = policy.trainer.actor_model_group.actor.actor.model.module.state_dict()
    return {**vars(first), "weights": {k: v.clone() for k, v in weights.items()}}


def main() -> None:
    """Every case of the file, each into a folder of its name and this rank's number."""
    from openrlhf.trainer import ppo_trainer

    from red.engines.openrlhf import policy

    ppo_trainer.ray = policy.ray = SimpleNamespace(get=lambda value: value)
    torch.set_num_threads(1)
    cases, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    for case in cases:
        folder = out / case["name"] / f"rank{os.environ['RANK']}"
        torch.save(train(case, folder), folder / "result.pt")


if __name__ == "__main__":
    main()
