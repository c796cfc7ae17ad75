"""The policy on its GPUs: OpenRLHF's actor with our loss, our measurements and plain AdamW.

The classes are undecorated and at the top level, so that Ray ships them by name.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deepspeed
import ray
import torch
from openrlhf.models import Actor
from openrlhf.trainer.ppo_utils.experience import Experience
from openrlhf.trainer.ray import ppo_actor
from openrlhf.trainer.ray.ppo_actor import ActorPPOTrainer
from openrlhf.trainer.ray.utils import get_physical_gpu_id
from openrlhf.utils.deepspeed import DeepspeedStrategy
from openrlhf.utils.distributed_util import torch_dist_barrier_and_cuda_sync
from torch import Tensor
from torch.multiprocessing.reductions import reduce_tensor
from transformers import AutoModelForCausalLM
from transformers.integrations import deepspeed as integration

from red.engines.openrlhf.batches import buckets
from red.engines.openrlhf.head import LogitlessActor
from red.engines.openrlhf.loss import ObjectiveLoss, RankResult, RankUpdate


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
        """After the stock constructor: our policy, loss and buffer."""
        self.actor.__class__ = LogitlessActor
        self.actor.attach()
        self.loss = ObjectiveLoss(torch.distributed.get_world_size())
        # OpenRLHF's own would take the controller's micro-batches apart.
        self.replay_buffer: list[Experience] = []
        accumulate_in_float32(self.actor.model.optimizer)
        self.limit = limited(self.actor.model.optimizer)
        self.moments = "main"
        self.idle: dict[Tensor, dict[str, Any]] = defaultdict(dict)

    def begin(self, update: RankUpdate) -> None:
        """Learning rate, clip, largest norm, moments and seed of the next update."""
        optimizer = self.actor.model.optimizer
        self.use_moments(update.moments)
        for group in optimizer.param_groups:
            group["lr"] = update.lr
        optimizer.clip_grad = update.clip
        self.limit.largest_norm = update.largest_norm
        self.loss.begin(update)
        torch.manual_seed(update.seed)

    def ppo_train(self, _kl_ctl: float) -> dict[str, float]:
        """The micro-batches in their order; the last one applies the accumulated gradient.

        Without OpenRLHF's own metrics, which nobody reads: they cost an exchange between all ranks for each.
        """
        device = torch.cuda.current_device()
        for left, batch in zip(reversed(range(len(self.replay_buffer))), self.replay_buffer, strict=True):
            self.actor.model.set_gradient_accumulation_boundary(left == 0)
            rows = batch.info["row"]
            batch.to_device(device)
            logp, entropy = self.actor(batch.sequences, batch.action_mask, batch.attention_mask)
            loss = self.loss(
                rows, logp, entropy, batch.action_log_probs, batch.action_mask, batch.base_action_log_probs
            )
            self.strategy.backward(loss, self.actor, self.actor_optim)
            self.strategy.optimizer_step(self.actor_optim, self.actor, self.actor_scheduler, name="actor")
        return {}

    def result(self) -> RankResult:
        """Of the last update. DeepSpeed leaves out an update whose gradient is not finite."""
        applied = self.actor.model.was_step_applied()
        norm = self.strategy.get_grad_norm(self.actor) if applied else None
        return RankResult(self.loss.rows, self.loss.terms, norm)

    def broadcast_to_vllm(self) -> None:
        """The weights to every engine: by handle where both are on one GPU, else from rank 0 over their group."""
        first = torch.distributed.get_rank() == 0
        waiting = [engine.reset_prefix_cache.remote() for engine in self.vllm_engines] if first else []
        torch.cuda.empty_cache()
        for bucket in buckets(self.actor.model.module.named_parameters()):
            gathered = deepspeed.zero.GatheredParameters(
                [weight for _, weight in bucket], enabled=self.args.ds.zero_stage == 3
            )
            with gathered:
                flat = torch.cat([weight.data.flatten() for _, weight in bucket])
                contents = [(name, tuple(weight.shape)) for name, weight in bucket]
            handles = self._handles(flat) if self.use_cuda_ipc else None
            if first:
                sent = [e.receive_weights.remote(contents, flat.dtype, handles) for e in self.vllm_engines]
                if handles is None:
                    self._model_update_group.broadcast(flat, src=0, stream=torch.cuda.current_stream())
                ray.get(sent)
            if self.use_cuda_ipc:
                torch_dist_barrier_and_cuda_sync()  # the others' tensors must live until their engines have read them
        ray.get(waiting)
        torch.cuda.empty_cache()
        torch_dist_barrier_and_cuda_sync()

    def _handles(self, flat: Tensor) -> dict[Any, Any]:
        """The same tensor on every rank's GPU, by the GPU's number."""
        found: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(found, (get_physical_gpu_id(), reduce_tensor(flat)))
        return dict(found)

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


@contextmanager
def ordinary_loading() -> Iterator[None]:
    """Without DeepSpeed's ZeRO 3 in `from_pretrained`."""
    reference = integration._hf_deepspeed_config_weak_ref
    config = reference and reference()
    integration.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        if config is not None:
            integration.set_hf_deepspeed_config(config)


@torch.no_grad()
def _measured(actor: Any, sequences: Tensor, attention_mask: Tensor, action_mask: Tensor) -> Tensor:
    device = torch.cuda.current_device()
    return torch.stack(actor(sequences.to(device), action_mask.to(device), attention_mask.to(device))).cpu()


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
        self.actor.eval()
        found = _measured(self.actor, sequences, attention_mask, action_mask)
        self.actor.train()
        return found

    def load_teacher(self, folder: str) -> None:
        """A frozen model, whole on every rank, in the precision and with the attention of the policy."""
        network = self.actor.model.module
        # Under ZeRO 3 transformers would cut its weights too.
        with ordinary_loading():
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, attn_implementation=network.config._attn_implementation, dtype=network.dtype
            )
        self.teacher = Actor(model.to(torch.cuda.current_device()).eval(), temperature=self.actor.temperature)
        self.teacher.packing_samples = self.actor.packing_samples
        self.teacher.__class__ = LogitlessActor
        self.teacher.attach()

    def teach(self, sequences: Tensor, attention_mask: Tensor, action_mask: Tensor) -> Tensor:
        """As `measure`, of the teacher."""
        return _measured(self.teacher, sequences, attention_mask, action_mask)

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
