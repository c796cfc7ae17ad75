"""The local engine: one process, on a CPU or on one GPU, with the project's own Qwen2 and Llama."""

from red.engines import Needs, Stored
from red.training.files import KEPT, Report, RunFiles, Trained
from red.training.spec import RunSpec


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Train `run` from `files.parent`, continuing from `files.state` if a state is there."""
    from red.engines.local import policy

    return policy.train(run, files, report)


def needs(run: RunSpec) -> Needs:
    """Nothing beyond the project's own dependencies. All in float32: weights, and two moments for each kind of step."""
    kinds = 1 if run.build_method().second_step is None else 2
    return Needs(Stored(checkpoint=4, state=4 + 8 * kinds, states=KEPT + 1))
