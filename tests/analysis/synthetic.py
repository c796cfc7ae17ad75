"""Makes a collected folder that looks like a finished study. Invented numbers, for tests only."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

BENCHMARKS = {  # name: (group, problems, samples, mean difficulty in logits)
    "aime24": ("math", 30, 8, 2.3),
    "aime25": ("math", 30, 8, 2.6),
    "amc": ("math", 40, 8, 0.4),
    "math500": ("math", 50, 2, -1.0),
    "minerva": ("math", 40, 2, 0.9),
    "olympiad": ("math", 40, 2, 0.8),
    "arc_c": ("out_of_domain", 40, 1, -0.8),
    "gpqa_diamond": ("out_of_domain", 40, 1, 1.2),
    "mmlu_pro": ("out_of_domain", 40, 1, 1.0),
}
MAIN = ("main_results", "paired_tests", "cost", "claims")
# name: (method, label, row group, items, skill in logits, mean length, init_from)
RUNS: dict[str, tuple[str, str, str, tuple[str, ...], float, int, str]] = {
    "base": ("base", "Base", "single", MAIN + ("out_of_domain",), -1.2, 14, ""),
    "sft": ("sft", "SFT", "single", MAIN + ("out_of_domain", "entropy_trends", "entropy_phases"), 0.0, 48, "base"),
    "grpo": (
        "grpo",
        "GRPO",
        "single",
        MAIN + ("out_of_domain", "entropy_trends", "entropy_phases", "distilled_rl", "token_probabilities"),
        -0.35,
        18,
        "base",
    ),
    "drgrpo": ("drgrpo", "Dr.GRPO", "single", MAIN, -0.3, 19, "base"),
    "sft_grpo": ("grpo", "SFT→GRPO", "single", MAIN + ("distilled_rl", "entropy_phases"), 0.3, 33, "sft"),
    "sft_dapo": ("dapo", "SFT+DAPO", "single", MAIN + ("distilled_rl",), 0.45, 31, "sft"),
    "mix_policy": (
        "mix_policy",
        "MixPolicy",
        "single",
        MAIN + ("training_dynamics", "robustness", "offline_choice", "gradient_conflict"),
        0.05,
        21,
        "base",
    ),
    "rl_sft": ("rl_sft", "RL+SFT", "single", MAIN + ("gradient_conflict",), 0.1, 36, "base"),
    "luffy": ("luffy", "LUFFY", "unified", MAIN + ("out_of_domain", "token_probabilities"), 0.3, 34, "base"),
    "srft": ("srft", "SRFT", "unified", MAIN + ("out_of_domain",), 0.1, 31, "base"),
    "relift": ("relift", "ReLIFT", "stage_wise", MAIN + ("out_of_domain",), -0.1, 22, "base"),
    "bread": ("bread", "BREAD", "stage_wise", MAIN, 0.05, 26, "base"),
    "chord_mu": ("chord", "CHORD-μ", "unified", MAIN, 0.0, 30, "base"),
    "chord_phi": ("chord", "CHORD-φ", "unified", MAIN, 0.12, 31, "base"),
    "hpt": ("hpt", "HPT", "unified", MAIN + ("out_of_domain",), 0.5, 35, "base"),
    "red_i": ("red", "RED (I)", "red", MAIN + ("training_dynamics",), 0.12, 21, "base"),
    "red_ii": ("red", "RED (II)", "red", MAIN + ("training_dynamics", "offline_choice"), 0.2, 28, "base"),
    "red": (
        "red",
        "RED",
        "red",
        MAIN
        + (
            "out_of_domain",
            "entropy_trends",
            "hyperparameters",
            "robustness",
            "token_probabilities",
            "training_dynamics",
            "gradient_conflict",
            "weight_noise",
        ),
        0.5,
        33,
        "base",
    ),
    "red_eq12": ("red", "RED, Eq. 12", "ablation", MAIN, 0.3, 30, "base"),
    "red_clip_0_g": ("red", "clip (0, G), window 1", "ablation", ("hyperparameters",), 0.4, 33, "base"),
    "red_clip_1_inf": ("red", "clip (1, ∞), window 1", "ablation", ("hyperparameters",), 0.3, 33, "base"),
    "red_window5": ("red", "clip (1, G), window 5", "ablation", ("hyperparameters",), 0.45, 33, "base"),
    "red_window10": ("red", "clip (1, G), window 10", "ablation", ("hyperparameters",), 0.42, 33, "base"),
    "offline_self": ("red", "π_off = π", "ablation", ("offline_choice",), 0.1, 25, "base"),
    "mix_policy_4updates": ("mix_policy", "MixPolicy, 4 updates", "control", ("out_of_range",), 0.0, 22, "base"),
    "red_w_constant": ("red", "w constant", "control", MAIN + ("weight_noise",), 0.45, 33, "base"),
    "red_w_resampled": ("red", "w resampled", "control", ("weight_noise",), 0.4, 33, "base"),
    "red_w_scrambled": ("red", "w scrambled", "control", ("weight_noise",), 0.1, 33, "base"),
    "grpo_sft_early": ("grpo", "GRPO from SFT-10", "ablation", ("entropy_phases",), 0.1, 30, "sft@10"),
    "grpo_sft_middle": ("grpo", "GRPO from SFT-20", "ablation", ("entropy_phases",), 0.1, 30, "sft@20"),
    "sft_grpo_early": ("sft", "SFT from GRPO-10", "ablation", ("entropy_phases",), 0.1, 30, "grpo@10"),
    "sft_grpo_middle": ("sft", "SFT from GRPO-20", "ablation", ("entropy_phases",), 0.1, 30, "grpo@20"),
    "sft_grpo_late": ("sft", "SFT from GRPO-last", "ablation", ("entropy_phases",), 0.1, 30, "grpo"),
    "luffy_published": ("luffy", "LUFFY (published)", "ablation", (), 0.2, 40, "base"),
    "red_released": ("red", "RED (as released)", "ablation", (), 0.1, 24, "base"),
}
for _parent, _label in (("red", "RED"), ("mix_policy", "MixPolicy")):
    for _kind, _words, _loss in (("noisy_labels", "noisy labels", 0.15), ("adversarial_chains", "broken chains", 0.3)):
        for _rate in (5, 10, 20, 40):
            _name = f"{_parent}_{_kind}" + (f"_q{_rate:02d}" if _rate != 20 else "")
            _items = ("robustness",)
            _skill = RUNS[_parent][4] - _loss * _rate / 20
            RUNS[_name] = (_parent, f"{_label}, {_words} {_rate} %", "ablation", _items, _skill, 32, "base")
TEXT = """Okay,| let| me| think|.| First|,| 34|+|28|=|62| Wait|,| is| it| right|?| But| 30|+|20|=|50|,
| so| yes|.| Next| we| take| 62|*|3|=|186|.| Alternatively|,| 60|*|3|=|180|,| plus| 6|.| So| the
| answer| is| \\boxed{|186|}"""
WORDS = tuple(TEXT.replace("\n", "").split("|"))
ORIGIN = {"spec_hash": "5" * 64, "code": "c" * 64}
PUBLISHED = ("luffy_published", "red_released")
MISSING = (("bread", 1), ("red_w_scrambled", 0), ("red_w_scrambled", 1))


def write(
    folder: Path, scale: str = "tiny", seeds: Sequence[int] = (0, 1), steps: int = 100, fraction: float = 1.0
) -> Path:
    """A whole study; BREAD lacks a seed and one control lacks both. `fraction` shrinks the benchmarks."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = list(_entries(scale, seeds, steps))
    done = [(entry["run"], entry["seed"]) for entry in entries if entry["status"] == "done"]
    (folder / "runs.json").write_text(json.dumps(entries), encoding="utf-8")
    origin = dict(ORIGIN)
    tables = {"scores": _scores(done, fraction), "dynamics": _dynamics(done, steps), "probes": _probes(done, steps)}
    for name, frame in tables.items():
        frame = frame.assign(method=frame["run"].map({name: row[0] for name, row in RUNS.items()}), **origin)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def _entries(scale: str, seeds: Sequence[int], steps: int) -> Iterator[Mapping[str, Any]]:
    for name, (method, label, group, items, _, _, init_from) in RUNS.items():
        for seed in (0,) if name == "base" else seeds:
            yield {
                "run": name,
                "method": method,
                "seed": seed,
                "scale": scale,
                "label": label,
                "family": "published" if name in PUBLISHED else "common",
                "row_group": group,
                "experiments": list(items),
                "steps": 0 if name == "base" else steps,
                "status": "missing" if (name, seed) in MISSING else "done",
                "spec": {"init_from": init_from},
                "provenance": dict(ORIGIN),
            }


def _scores(done: Sequence[tuple[str, int]], fraction: float) -> pd.DataFrame:
    random = np.random.default_rng(7)
    sizes = {name: max(4, round(fraction * row[1])) for name, row in BENCHMARKS.items()}
    difficulty = {name: random.normal(row[3], 1.6, sizes[name]) for name, row in BENCHMARKS.items()}
    frames = []
    for run, seed in done:
        skill = RUNS[run][4] + random.normal(0, 0.08)
        for name, (group, _, samples, _) in BENCHMARKS.items():
            problems = sizes[name]
            chance = 1 / (1 + np.exp(difficulty[name] - skill))
            correct = random.random((problems, samples)) < chance[:, None]
            tokens = random.poisson(RUNS[run][5] * (1 + 0.2 * (difficulty[name] > 0))[:, None], correct.shape)
            frames.append(
                pd.DataFrame(
                    {
                        "run": run,
                        "seed": seed,
                        "benchmark": name,
                        "group": group,
                        "metric": "avg_at_k" if samples > 4 else "pass_at_1",
                        "problem": np.repeat([f"{name}-{index}" for index in range(problems)], samples),
                        "sample": np.tile(np.arange(samples), problems),
                        "correct": correct.ravel(),
                        "correct_lenient": correct.ravel() | (random.random(correct.size) < 0.02),
                        "reason": "",
                        "tokens": tokens.ravel(),
                        "truncated": tokens.ravel() > 60,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _dynamics(done: Sequence[tuple[str, int]], steps: int) -> pd.DataFrame:
    frames = []
    for run, seed in done:
        if run == "base":
            continue
        random = np.random.default_rng([seed, len(run), ord(run[-1])])
        series = _series(run, steps, random)
        frames += [
            pd.DataFrame({"run": run, "seed": seed, "step": np.arange(1, steps + 1), "metric": metric, "value": value})
            for metric, value in series.items()
        ]
    return pd.concat(frames, ignore_index=True)


def _series(run: str, steps: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    method = RUNS[run][0]
    t = np.linspace(0, 1, steps)
    noise = lambda size: 1 + size * random.standard_normal(steps)  # noqa: E731
    skill = 1 / (1 + np.exp(-(RUNS[run][4] + 1.5 * t - 1.2)))
    found = {
        "train/acc_on": skill * noise(0.08),
        "len/on": (12 + (RUNS[run][5] - 12) * np.minimum(1, 2 * t)) * noise(0.05),
        "time/step_s": 0.22 * noise(0.05),
        "opt/clipped": (random.random(steps) < 0.2).astype(float),
    }
    if run in ("sft_grpo", "sft_dapo"):
        found["len/on"] = (50 - (50 - RUNS[run][5]) * t) * noise(0.05)
    if method != "sft":
        found["time/rollout_s"] = found["len/on"] / 300 * noise(0.1)
        found["words/overthink_per_1k"] = (40 * (1 - 0.6 * t) if run.startswith("sft_") else 4 + 6 * t) * noise(0.15)
        found["entropy/rl"] = (0.9 * np.exp(-1.4 * t * (0.4 if "red" in run else 1)) + 0.1) * noise(0.06)
        found["entropy/rl_se"] = 0.05 * found["entropy/rl"]
    if method not in ("grpo", "drgrpo", "dapo", "bread"):
        found["entropy/sft"] = (0.8 * np.exp(-1.1 * t) + 0.25) * noise(0.04)
        found["entropy/sft_se"] = 0.1 * found["entropy/sft"]
    generated = 128 * found["len/on"] * (0 if method == "sft" else 2.5 if method in ("dapo", "bread") else 1)
    trained = 128 * found["len/on"] * (1 if method == "sft" else 1.1)
    found |= {
        "tokens/generated": generated,
        "tokens/generated_total": generated.cumsum(),
        "tokens/trained": trained,
        "tokens/trained_total": trained.cumsum(),
        "gpu/hours": 0 * t,
    }
    if method in ("mix_policy", "red", "luffy", "rl_sft"):
        found["grad/cosine"] = 0.15 * (1 - 2 * t) + 0.12 * random.standard_normal(steps)
        found["ratio/out_of_range_on"] = (0.03 if "4updates" in run else 0) * (1 + t) * np.abs(noise(0.2))
        found["ratio/out_of_range_off"] = np.clip((0.55 - 0.25 * t) * noise(0.05), 0, 1)
    if method == "red":
        raw = np.sqrt(7) * np.abs(random.standard_normal(steps) / random.standard_normal(steps))
        found |= {"red/w_raw": raw, "red/w": np.clip(raw, 1, 8) if "ii" not in run else np.ones(steps)}
        found |= {"red/w_at_low": (raw <= 1) * 1.0, "red/w_at_high": (raw >= 8) * 1.0, "red/mass_off": 0.3 * noise(0.1)}
        found |= {"red/dH_rl": np.abs(noise(0.05) - 1), "red/dH_sft": np.abs(noise(0.05) - 1)}
        found |= {f"red/rho_mean/{k}": np.full(steps, 0.9 - 0.08 * k) for k in range(9)}
    found |= {"eval/math500/acc": np.where(np.arange(1, steps + 1) % 25 == 0, skill, np.nan)}
    return found


def _probes(done: Sequence[tuple[str, int]], steps: int) -> pd.DataFrame:
    frames = [_entropy_probe(run, seed, steps) for run, seed in done if "entropy_phases" in RUNS[run][3]]
    frames.append(_confidence_probe())
    frames += [_token_probe(run, seed, steps) for run, seed in done if "token_probabilities" in RUNS[run][3]]
    columns = ["run", "seed", "probe", "step", "example", "position", "token", "quantity", "value"]
    return pd.concat(frames, ignore_index=True).reindex(columns=columns)


def _entropy_probe(run: str, seed: int, steps: int) -> pd.DataFrame:
    random = np.random.default_rng([3, seed, len(run)])
    rows = []
    for step, (rl, sft) in {0: (1.2, 1.05), steps: (0.3, 0.95) if run.startswith("grpo") else (0.45, 0.33)}.items():
        for index in range(32):
            for quantity, level in (("entropy_rl", rl), ("entropy_sft", sft)):
                rows.append((run, seed, "entropy", step, f"p{index}", quantity, level * random.gamma(20, 0.05)))
    return pd.DataFrame(rows, columns=["run", "seed", "probe", "step", "example", "quantity", "value"])


def _confidence_probe() -> pd.DataFrame:
    random = np.random.default_rng(11)
    rows = []
    for index in range(90):
        accuracy = random.integers(0, 9) / 8
        rows.append((f"d{index}", None, None, "group_accuracy", accuracy))
        small = random.beta(3 + 3 * accuracy, 1.6, 40)
        large = np.clip(small + random.beta(1.2, 9, 40) * (1.3 - accuracy), 0, 1)
        for name, values in (("p_small", small), ("p_large", large)):
            rows += [(f"d{index}", t, "x", name, value) for t, value in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["example", "position", "token", "quantity", "value"])
    return frame.assign(run="base", seed=0, probe="confidence", step=0)


def _token_probe(run: str, seed: int, steps: int) -> pd.DataFrame:
    random = np.random.default_rng([5, seed, len(run)])
    rows = []
    for problem in range(4):
        words = WORDS[:5] + WORDS[5:37] * (1 + problem % 2) + WORDS[37:]
        for position, word in enumerate(words):
            base = random.beta(4, 1.5)
            is_thinking = word.strip() in ("Wait", "But", "Alternatively")
            shift = (0.25 if run == "red" else -0.3) * is_thinking + 0.1 * random.standard_normal()
            trained = float(np.clip(base + shift, 0, 1))
            for name, value in (("p_trained", trained), ("p_base", base), ("p_sft", min(1, base + 0.1))):
                rows.append((f"math500-{problem}", position, word, name, value))
    frame = pd.DataFrame(rows, columns=["example", "position", "token", "quantity", "value"])
    return frame.assign(run=run, seed=seed, probe="tokens", step=steps)


if __name__ == "__main__":
    import sys

    print(write(Path(sys.argv[1]), *sys.argv[2:3]))
