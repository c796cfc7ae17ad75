"""Responses of trained models with the probability of every token under several models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures.compare import bootstrap_mean
from analysis.measures.token_stages import STAGES, stages, thinking
from red.tables.reader import Run, Tables

REFERENCES = {"base": ("p_base", "base model"), "sft": ("p_sft", "SFT checkpoint")}


@dataclass(frozen=True)
class Response:
    """One response of a trained model with the probabilities of its tokens under each model.

    `prompt`, `gold` and `correct` (the verdict) are those of its problem, empty or None where they were not recorded.
    """

    run: str
    example: str
    tokens: tuple[str, ...]
    trained: np.ndarray
    references: dict[str, np.ndarray]
    stage: np.ndarray
    thinking: np.ndarray
    prompt: str = ""
    gold: str = ""
    correct: bool | None = None

    def change(self, reference: str) -> np.ndarray:
        """Trained minus reference probability of each token."""
        change: np.ndarray = self.trained - self.references[reference]
        return change

    def members(self, stage: int, words: str) -> np.ndarray:
        """Which tokens belong to a stage, `all` of them or the `thinking` words only."""
        belongs: np.ndarray = self.stage == stage
        return belongs & self.thinking if words == "thinking" else belongs


def read_responses(tables: Tables, runs: Sequence[Run]) -> list[Response]:
    """Responses of the first seed of each run, ordered by run and example."""
    columns = ["run", "seed", "example", "position", "token", "quantity", "value"]
    rows = tables.probes("tokens", columns, runs)
    rows = rows[rows["seed"] == rows.groupby("run")["seed"].transform("min")]
    names = {quantity: name for name, (quantity, _) in REFERENCES.items()}
    order = {run.name: index for index, run in enumerate(runs)}
    responses = []
    for (run, example), both in rows.groupby(["run", "example"]):
        part, about = both[both["position"].notna()], both[both["position"].isna()].set_index("quantity")
        wide = part.pivot_table(index="position", columns="quantity", values="value", aggfunc="first").sort_index()
        if "p_trained" not in wide:
            continue
        texts = part.dropna(subset=["token"]).drop_duplicates("position").set_index("position")["token"]
        tokens = tuple(texts.reindex(wide.index, fill_value="").astype(str))
        references = {names[q]: wide[q].to_numpy(dtype=float) for q in wide if q in names}
        trained = wide["p_trained"].to_numpy(dtype=float)
        prompt, gold = (str(about["token"].get(name, "")) for name in ("prompt", "verdict"))
        right = bool(about["value"]["verdict"]) if "verdict" in about.index else None
        kinds = stages(tokens), thinking(tokens)
        responses.append(Response(run, str(example), tokens, trained, references, *kinds, prompt, gold, right))
    return sorted(responses, key=lambda response: (order.get(response.run, len(order)), response.example))


def changes_by_stage(responses: Sequence[Response], runs: Sequence[Run]) -> pd.DataFrame:
    """Mean change by run, reference, stage and kind of token (`thinking` words or `all` tokens)."""
    labels = {run.name: run.label for run in runs}
    rows = []
    for run, name in ((run.name, name) for run in runs for name in REFERENCES):
        own = [response for response in responses if response.run == run and name in response.references]
        for index, stage in enumerate(STAGES):
            for words in ("thinking", "all"):
                parts = [response.change(name)[response.members(index, words)] for response in own]
                parts = [part for part in parts if len(part)]
                if parts:
                    mean = bootstrap_mean(np.array([part.mean() for part in parts]))
                    numbers = (mean.mean, mean.low, mean.high, mean.units, sum(map(len, parts)))
                    rows.append((run, labels[run], name, stage, words, *numbers))
    names = ["run", "label", "reference", "stage", "words", "mean", "low", "high", "problems", "tokens"]
    return pd.DataFrame(rows, columns=names)
