"""The paper-scale engine: OpenRLHF 0.11.2 (Ray, DeepSpeed, vLLM) around our loop and our objective.

Nothing of OpenRLHF is copied or forked. Its driver runs as it is, with three of its classes replaced:

- `controller.Controller` (of `BasePPOTrainer`) runs `red.training.loop`, so every method's `mix`, the
  schedule of w, fine-tuning steps and metrics are those of the local engine. Its rollouts come from vLLM
  in token ids, its rewards from `red.grading`.
- `samples.RolloutActor` (of `RolloutRayActor`) takes the weights in buckets.
- `actor.PolicyActor` (of `PolicyModelActor`) measures log-probabilities and entropies before an update and
  accumulates the gradient of `loss.ObjectiveLoss`, in DeepSpeed's engine. Counts and advantages cover the whole
  optimizer step, over all micro-batches and ranks. No logits are made: `head.LogitlessActor`.

What cannot be done this way, and why:

- `cosine_every`: two gradients per update would have to be kept apart, but DeepSpeed reduces and
  partitions each one as it is made. Measure it with the local engine.
- Asynchronous and partial rollouts: w and the ratios assume that the rollouts of a step come from the
  policy before it.
- OpenRLHF's dynamic batches: it fixes the number of sequences of an update beforehand, and filters, gates
  and expert batches change it. `batches.deal` makes micro-batches of at most `tokens_per_forward` tokens.
- One copy of a prompt for all responses to it, as the local engine has: flash attention's packed kernel knows no shared
  prefix. With prompts of 200 tokens and responses of 1,800 that is 8 % of the tokens of an update.
- Ring attention and tensor parallelism of the policy: OpenRLHF sends such ranks copies of one
  micro-batch, which the plan would count twice.
- Resuming on another number of GPUs: DeepSpeed's shards belong to their ranks.
- Bit-for-bit repetition on GPUs: vLLM's bfloat16 results depend on how requests were batched.
- ZeRO stage 1, and an offloaded optimizer under stage 2: DeepSpeed 0.19.6 stops at a gradient of zero in
  the one and sums micro-batches in bfloat16 in the other (see `arguments`, `actor.accumulate_in_float32`).

Tests run all of this on a CPU, in float32 against the local engine and once with Ray and vLLM. Only a GPU
can show NCCL and CUDA-IPC weight sync, colocation with sleeping engines, packing with flash attention,
tensor-parallel vLLM, and speed and memory at 8192 tokens. Watch `rollout/kl` there: it is near 0 (below
0.01 in bfloat16) while vLLM samples from the current weights.
"""

from red.engines import Needs, Stored
from red.training.files import Report, RunFiles, Trained
from red.training.spec import RunSpec


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Train `run` from `files.parent`, continuing from `files.state` if a state is there."""
    from red.engines.openrlhf import launch

    return launch.train(run, files, report)


def needs(run: RunSpec) -> Needs:
    """The GPUs of its `cluster` section, and the engines that are driven.

    A state: bfloat16 weights, their float32 copy, and two moments for each kind of step.
    """
    from red.engines.openrlhf.arguments import gpus
    from red.engines.openrlhf.states import KEPT

    kinds = 1 if run.build_method().second_step is None else 2
    stored = Stored(checkpoint=2, state=6 + 8 * kinds, states=KEPT)
    return Needs(stored, gpus(run), ("openrlhf", "ray", "deepspeed", "flash-attn", "vllm"))
