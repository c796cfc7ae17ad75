"""What the task files of lm-eval call: local benchmark files, our prompts, our verdicts.

    lm_eval --model vllm --model_args pretrained=DIR,... --include_path red/evaluation/lm_eval_tasks \
        --tasks red_arc_c --metadata '{"data_dir": "FOLDER"}' --apply_chat_template

The folder may also come from the variable RED_BENCHMARKS. No network is used. These tasks are context:
Table 3 is `red evaluate`, whose template and stop rules are those of training.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from red.errors import DataError
from red.evaluation import catalog
from red.evaluation.benchmarks import load, user_text
from red.grading.choice import grade_choice
from red.text.template import LETTERS


def local_file(name: str, data_dir: str | None = None, **_: Any) -> dict[str, Dataset]:
    """The split `test` of a benchmark of the catalog. Protected ones are refused: lm-eval logs prompts."""
    folder = data_dir or os.environ.get("RED_BENCHMARKS")
    if not folder:
        raise DataError("""give --metadata '{"data_dir": "FOLDER"}' or set RED_BENCHMARKS""")
    benchmark = catalog.benchmark(name, {"data_dir": folder})
    if benchmark.protected:
        raise DataError(f"{name} is protected; use `red evaluate`, which writes no texts")
    rows = [
        {
            "id": problem.id,
            "question": problem.question,
            "options": list(problem.options or ()),
            "answer": problem.answer,
            "answer_index": LETTERS.index(problem.answer),
            "text": user_text(problem, benchmark),
        }
        for problem in load(benchmark)
    ]
    return {"test": Dataset.from_list(rows)}


def verdicts(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Strict (letter in the last box) and lenient verdict on the one response."""
    verdict = grade_choice(results[0], doc["answer"], doc["options"])
    return {"strict": float(verdict.correct), "lenient": float(verdict.correct_lenient)}
