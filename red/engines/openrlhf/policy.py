"""The weights of a run on their GPUs, as the training loop sees them."""

import math
import shutil
import time
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import torch
from openrlhf.trainer.ppo_utils.experience import Experience

from red.engines.openrlhf.batches import deal, left_aligned, spread, tensors
from red.engines.openrlhf.loss import RankResult, RankUpdate
from red.engines.openrlhf.samples import VllmGenerate
from red.methods.base import Sequence
from red.models import checkpoint as checkpoints
from red.models.folder import documents, load_codec
from red.models.passes import Pass
from red.objective.batch import Batch
from red.plumbing.storage import read_object, write_directory
from red.sampling.response import Response
from red.training.spec import Training
from red.training.update import Update, UpdateResult

if TYPE_CHECKING:
    from openrlhf.trainer.ppo_trainer import BasePPOTrainer

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin")


class RemotePolicy:
    """Satisfies `red.training.policy.Policy` through OpenRLHF's trainer: its actors, vLLM engines and state."""

    def __init__(
        self, trainer: "BasePPOTrainer", parent: Path, training: Training, gpus: int, teacher: Path | None = None
    ) -> None:
        self.trainer, self.actors, self.args = trainer, trainer.actor_model_group, trainer.args
        self.parent, self.gpus, self.tokens = parent, gpus, training.tokens_per_forward
        self.codec = load_codec(parent)
        self.pad_id = trainer.tokenizer.pad_token_id
        self.ranks = self.args.actor.num_nodes * self.args.actor.num_gpus_per_node
        self.vllm = VllmGenerate(
            trainer.vllm_engines or (),
            self.codec.stop_ids,
            training.temperature,
            self.args.vllm.enable_sleep,
            training.oversampling,
        )
        self.engines_are_current = True
        self.seconds_syncing = 0.0
        if teacher is not None:
            ray.get(self.actors.async_run_method("load_teacher", str(teacher.resolve())))

    def generate(
        self, prompts: Seq[tuple[int, ...]], samples: int, budgets: Seq[int], seed: int
    ) -> list[list[Response]]:
        """Responses of the current weights: vLLM gets them when somebody samples."""
        if not self.engines_are_current:
            started = time.perf_counter()
            self.trainer.broadcast_to_vllm()
            self.engines_are_current = True
            self.seconds_syncing += time.perf_counter() - started
        return self.vllm(prompts, samples, budgets, seed)

    def measure(self, sequences: Seq[Sequence]) -> Pass:
        """Log-probabilities and entropies from the training engine, without gradient."""
        return self._measured("measure", sequences)

    def teach(self, sequences: Seq[Sequence]) -> Pass:
        """The same of the teacher, who is on every rank."""
        return self._measured("teach", sequences)

    def _measured(self, method: str, sequences: Seq[Sequence]) -> Pass:
        order = self._deal(sequences)
        batches = [tensors(sequences, indices, self.pad_id) for indices in order]
        columns = {name: [batch[name] for batch in batches] for name in batches[0]}
        refs = self.actors.async_run_method_batch(method_name=method, **columns)
        logp: dict[int, Any] = {}
        entropy: dict[int, Any] = {}
        for indices, batch, measured in zip(order, batches, chain(*ray.get(refs)), strict=True):
            for index, mask, values in zip(indices, batch["action_mask"].bool(), measured.unbind(1), strict=True):
                logp[index], entropy[index] = values[0][mask], values[1][mask]
        rows = range(len(sequences))
        values, mask = left_aligned([logp[i] for i in rows])
        return Pass(values, left_aligned([entropy[i] for i in rows])[0], mask)

    def before(self, sequences: Seq[Sequence], read: bool) -> Pass | None:
        """The graph of an update is made anew on the ranks, and has the same values: measured only to be read."""
        return self.measure(sequences) if read else None

    def step(self, update: Update) -> UpdateResult:
        """One optimizer step on all ranks."""
        ranks = RankUpdate(
            update.spec,
            update.plan,
            update.on_policy,
            update.lr,
            update.clip,
            update.moments,
            update.seed,
            update.largest_norm,
        )
        ray.get(self.actors.async_run_method("begin", ranks))
        experiences = [self._experience(update, indices) for indices in self._deal(update.sequences)]
        ray.get(self.actors.async_run_method_batch(method_name="append", experience=experiences))
        self.trainer.ppo_train(0)
        results: list[RankResult] = ray.get(self.actors.async_run_method("result"))
        self.engines_are_current = not self.vllm.engines
        rows = {index: values for result in results for index, values in result.rows.items()}
        logp, mask = left_aligned([rows[i][0] for i in range(len(update.sequences))])
        now = Pass(logp, left_aligned([rows[i][1] for i in range(len(update.sequences))])[0], mask)
        before = update.before or now
        metrics = self.vllm.kl(update.sequences, before) | {"time/sync_s": self.seconds_syncing}
        self.seconds_syncing = 0.0
        terms = {name: sum(r.terms[name] for r in results) for name in results[0].terms}
        norm = results[0].norm
        old = now.logp if update.on_policy else before.logp
        batch = Batch(now.logp, old, before.entropy, mask, update.teacher_logp)
        return UpdateResult(batch, terms, math.nan if norm is None else norm, metrics)

    def checkpoint(self) -> checkpoints.Checkpoint:
        """The weights, fetched through the file system."""
        folder = Path(self.args.ckpt.path).resolve().parent / "fetched"
        self.save(folder)
        fetched = checkpoints.load(folder)
        shutil.rmtree(folder)
        return fetched

    def save(self, directory: Path) -> None:
        """The weights, with every other document as in the parent's folder."""

        def fill(partial: Path) -> None:
            ray.get(self.actors.async_run_method("save_weights", str(partial.resolve())))
            for file in partial.iterdir():
                if not any(file.match(pattern) for pattern in WEIGHTS):
                    file.unlink()
            for file in documents(self.parent):
                shutil.copy(file, partial)
            # The engine writes the precision that it computes in.
            checkpoints.cast_weights(partial, checkpoints.weights_dtype(read_object(partial / "config.json")))

        write_directory(directory, fill)

    def save_state(self, step: int, state: Mapping[str, Any]) -> None:
        """DeepSpeed's checkpoint; the loop's memory travels inside, so both are of the same step."""
        tag = f"global_step{step}"
        self.trainer.save_logs_and_checkpoints(step, {}, {**state, "tag": tag})

    def load_state(self) -> Mapping[str, Any] | None:
        """The actors have restored the newest state while they started."""
        state = self.trainer.init_checkpoint_states()
        if "tag" not in state:
            return None
        self.engines_are_current = not self.vllm.engines
        return state

    def _experience(self, update: Update, indices: Seq[int]) -> Experience:
        """For the actors' buffers; `row` leads back to the plan. A filler, without actions, points to row 0."""
        batch = tensors(update.sequences, indices, self.pad_id)
        actions = batch["action_mask"]
        old = torch.zeros(actions.shape) if update.before is None else spread(update.before.logp, indices, actions)
        teacher = None if update.teacher_logp is None else spread(update.teacher_logp, indices, actions)
        rows = torch.tensor([max(index, 0) for index in indices])
        return Experience(**batch, action_log_probs=old, base_action_log_probs=teacher, info={"row": rows})

    def _deal(self, sequences: Seq[Sequence]) -> list[list[int]]:
        return deal([len(s.prompt) + len(s.response) for s in sequences], self.ranks, self.tokens)
