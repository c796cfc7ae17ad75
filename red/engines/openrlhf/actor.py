"""The policy on its GPUs: OpenRLHF's actor with our loss, our measurements and plain AdamW.

The classes are undecorated and at the top level, so that Ray ships them by name.
"""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from openrlhf.trainer.ray import ppo_actor
from openrlhf.trainer.ray.ppo_actor import ActorPPOTrainer
from openrlhf.utils.deepspeed import DeepspeedStrategy
from torch import Tensor

from red.engines.openrlhf.loss import ObjectiveLoss, RankResult, RankUpdate, entropy_of, needs_entropy


class PlainStrategy(DeepspeedStrategy):
    """torch's own AdamW, with weight decay on every parameter, as it does by default."""

    def get_ds_train_config(self, optim_dict: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """DeepSpeed would compile an Adam when it first needs it, for which the CUDA compiler must be here.

        An offloaded optimizer is DeepSpeed's in any case.
        """
        if optim_dict is not None and not self.adam_offload:
            optim_dict = {**optim_dict, "params": {**optim_dict["params"], "torch_adam": True, "fused": True}}
        made: dict[str, Any] = super().get_ds_train_config(optim_dict, **options)
        return made

    def _get_model_parameters(self, model: Any, **_options: Any) -> tuple[Any, list[Tensor]]:
        return model.model, [p for p in model.model.parameters() if p.requires_grad]


class ObjectiveTrainer(ActorPPOTrainer):
    """One call of `ppo_train` is one optimizer step over everything in the buffer."""

    def attach(self) -> None:
        """After the stock constructor: our loss, and a hook that hands it the entropies."""
        self.actor_loss_fn = ObjectiveLoss(self.actor.temperature)
        self.actor.register_forward_hook(self.actor_loss_fn.observe)
        accumulate_in_float32(self.actor.model.optimizer)
        self.limit = limited(self.actor.model.optimizer)
        self.moments = "main"
        self.idle: dict[Tensor, dict[str, Any]] = defaultdict(dict)

    def begin(self, update: RankUpdate) -> None:
        """Learning rate, clip, largest norm, moments and shuffle of the next update."""
        optimizer = self.actor.model.optimizer
        self.use_moments(update.moments)
        for group in optimizer.param_groups:
            group["lr"] = update.lr
        optimizer.clip_grad = update.clip
        self.limit.largest_norm = update.largest_norm
        # 0 makes OpenRLHF compute entropies without adding a bonus of its own.
        self.args.actor.entropy_coef = 0.0 if needs_entropy(update.spec) else None
        self.actor_loss_fn.begin(update)
        torch.manual_seed(update.seed)

    def training_step(
        self, experience: Any, kl_ctl: float, step: int, loss_batch_info: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Number `step` of the micro-batches; the last one applies the accumulated gradient."""
        last = len(self.replay_buffer) // self.micro_train_batch_size - 1
        self.actor.model.set_gradient_accumulation_boundary(step == last)
        self.actor_loss_fn.rows = torch.stack(list(experience.info["row"])).view(-1).long()
        return super().training_step(experience, kl_ctl, step, loss_batch_info)

    def result(self) -> RankResult:
        """Of the last update. DeepSpeed leaves out an update whose gradient is not finite."""
        applied = self.actor.model.was_step_applied()
        norm = self.strategy.get_grad_norm(self.actor) if applied else None
        return RankResult(self.actor_loss_fn.logp, self.actor_loss_fn.terms, norm)

    def use_moments(self, name: str) -> None:
        """A second kind of step has AdamW moments of its own: exchange the two sets."""
        if name != self.moments:
            adam = self.actor.model.optimizer.optimizer
            adam.state, self.idle = self.idle, adam.state
            self.moments = name

    def partitions(self) -> list[Tensor]:
        """This rank's float32 shards, the keys of the moments."""
        optimizer = self.actor.model.optimizer
        flat = getattr(optimizer, "single_partition_of_fp32_groups", None)
        return optimizer.fp32_partitioned_groups_flat if flat is None else flat


class Limit:
    """The largest norm of a gradient that is applied."""

    largest_norm = math.inf


def limited(optimizer: Any) -> Limit:
    """Leave out the updates of larger gradients, moments included.

    Both stages of ZeRO know the norm of the whole gradient before they step each part of the weights.
    """
    limit, stock = Limit(), optimizer._optimizer_step

    def step(part: int) -> None:
        if float(optimizer._global_grad_norm) <= limit.largest_norm:
            stock(part)

    optimizer._optimizer_step = step
    return limit


def accumulate_in_float32(optimizer: Any) -> None:
    """Sum the micro-batches' gradients in float32 under ZeRO stage 2.

    DeepSpeed 0.19.6 passes `grad_accum_dtype` to this method, which ignores it and gives the bfloat16
    gradients, so that their sum is kept in bfloat16. Stage 3 is right by itself.
    """
    stock = getattr(optimizer, "get_all_grad_tensors", None)
    if stock is not None:
        optimizer.get_all_grad_tensors = lambda tensors, dtype: [g.to(dtype) for g in stock(tensors, dtype)]


class PolicyActor(ppo_actor.PolicyModelActor.__ray_actor_class__):
    """One rank. Methods are called on all ranks at once by the controller."""

    def init_model_from_pretrained(self, strategy: DeepspeedStrategy, *args: Any, **options: Any) -> None:
        """The stock construction, then our classes in the place of the stock ones."""
        strategy.__class__ = PlainStrategy
        super().init_model_from_pretrained(strategy, *args, **options)
        self.trainer.__class__ = ObjectiveTrainer
        self.trainer.attach()
        self._load_idle_moments()

    def measure(self, sequences: Tensor, attention_mask: Tensor, action_mask: Tensor) -> Tensor:
        """(2, B, A): log-probability at the rollout temperature and entropy of each action token."""
        device = torch.cuda.current_device()
        self.actor.eval()
        with torch.no_grad():
            logp, output = self.actor(
                sequences.to(device),
                action_mask.to(device),
                attention_mask.to(device),
                return_output=True,
                return_entropy=True,
            )
            entropy = entropy_of(output, self.actor.temperature)[:, -action_mask.shape[1] :]
        self.actor.train()
        return torch.stack([logp, entropy * action_mask.to(device)]).cpu()

    def begin(self, update: RankUpdate) -> None:
        """Announce the update whose sequences are appended next."""
        self.trainer.begin(update)

    def result(self) -> RankResult:
        """What this rank saw of the last update."""
        return self.trainer.result()

    def save_weights(self, directory: str) -> None:
        """A Hugging Face folder, written by rank 0."""
        self.strategy.save_model(self.actor, self.tokenizer, directory)

    def save_model(self) -> None:
        """OpenRLHF's driver asks for the final weights; the controller has written them by then."""

    def save_checkpoint(self, tag: str, *args: Any, **options: Any) -> None:
        """DeepSpeed's state, and the moments that are not in use."""
        self.trainer.use_moments("main")
        if self.trainer.idle:
            # First, because a state counts from the moment DeepSpeed has written its own.
            shards = [self.trainer.idle.get(shard) for shard in self.trainer.partitions()]
            self._idle_file(tag).parent.mkdir(parents=True, exist_ok=True)
            torch.save(shards, self._idle_file(tag))
        super().save_checkpoint(tag, *args, **options)

    def _load_idle_moments(self) -> None:
        tag = self.checkpoint_states.get("tag")
        if tag is not None and self._idle_file(tag).exists():
            shards = torch.load(self._idle_file(tag), weights_only=True)
            pairs = zip(self.trainer.partitions(), shards, strict=True)
            self.trainer.idle.update((shard, state) for shard, state in pairs if state is not None)

    def _idle_file(self, tag: str) -> Path:
        return Path(self.strategy.args.ckpt.path, "_actor", tag, f"idle_moments_{self._rank}.pt")
