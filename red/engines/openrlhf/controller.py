"""The controller of a run: OpenRLHF's trainer, one Ray actor without a GPU, around our loop."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openrlhf.trainer.ppo_trainer import BasePPOTrainer
from openrlhf.utils import get_tokenizer

from red.engines.openrlhf.policy import RemotePolicy
from red.grading.reward import RewardJudge
from red.plumbing.storage import write_json
from red.training.files import RunFiles
from red.training.loop import Loop
from red.training.spec import RunSpec


@dataclass(frozen=True)
class Task:
    """What the driver tells the controller."""

    run: RunSpec
    files: RunFiles
    gpus: int

    @property
    def stop(self) -> Path:
        """Exists once the driver was asked to end."""
        return self.files.state / "stop"

    @property
    def result(self) -> Path:
        """What `fit` has to say; OpenRLHF's driver drops return values."""
        return self.files.state / "result.json"


class Controller(BasePPOTrainer):
    """In the place of OpenRLHF's `PPOTrainer`, with the same constructor after `task`."""

    def __init__(
        self,
        task: Task,
        pretrain: str,
        strategy: Any,
        actor_model_group: Any,
        critic_model_group: Any,
        reward_model_group: Any,
        reference_model_group: Any,
        vllm_engines: Seq[Any] | None,
        **_options: Any,
    ) -> None:
        super().__init__(
            strategy,
            actor_model_group,
            critic_model_group,
            reward_model_group,
            reference_model_group,
            vllm_engines,
            get_tokenizer(pretrain, None, "left", strategy),
        )
        self.task = task

    def get_max_steps(self) -> int:
        """Length of OpenRLHF's own learning-rate schedule, which every update overrides."""
        return self.task.run.training.steps * self.task.run.training.updates_per_rollout

    def fit(self, global_step: int = 0) -> None:
        """Train from the newest state to the end, or until the driver is asked to stop."""
        run, files = self.task.run, self.task.files
        with RewardJudge(run.cluster.graders, run.build_method().reward.rule) as judge:
            frozen = files.frozen(run.build_method().teacher)
            policy = RemotePolicy(self, files.parent, run.training, self.task.gpus, frozen)
            loop = Loop.start(run, files, policy, judge)
            ended = loop.train(lambda *_: None, self.task.stop.exists, 60 * run.cluster.state_minutes)
        if ended:
            policy.save(files.out / "checkpoint")
        write_json(
            self.task.result,
            {"steps": loop.step, "stopped": loop.guard.stopped, "counts": dict(loop.counts), "ended": ended},
        )
