"""Configurations that are wrong."""

from pathlib import Path

import pytest

from tests.faults.case import named, table

pytestmark = pytest.mark.faults("bad input")
# name, overlay on config/default.yaml, pattern of the message
OVERLAYS: tuple[tuple[str, str, str], ...] = (
    ("number as text", "common: {lr: 1e-3}", r"common\.lr: '1e-3' is text, not a number|\.lr: '1e-3' is text"),
    ("fraction for an integer", "common: {steps: 2.5}", r"\.steps: expected int, found 2\.5"),
    (
        "integral float for an integer",
        "evaluation: {max_new_tokens: 48.0}",
        r"evaluation\.max_new_tokens: expected int, found 48\.0",
    ),
    ("boolean for an integer", "common: {group_size: true}", r"\.group_size: expected int, found True"),
    ("list for a number", "common: {lr: [1.0]}", r"\.lr: expected float, found \[1\.0\]"),
    ("zero steps", "common: {steps: 0}", r"\.steps: must be at least 1"),
    ("negative rate", "common: {lr: -1.0}", r"\.lr: must be above 0"),
    ("infinite temperature", "common: {temperature: .inf}", r"common\.temperature: must be a finite number"),
    (
        "negative temperature of evaluation",
        "evaluation: {temperature: -1.0}",
        r"evaluation\.temperature: must be at least",
    ),
    ("no answers in parallel", "evaluation: {workers: 0}", r"evaluation\.workers: must be at least 1, found 0"),
    ("share of likely tokens that is none", "evaluation: {top_p: 0.0}", r"evaluation\.top_p: must be above 0, found 0"),
    ("seed of 2^31", "seeds: [2147483648]", r"seeds\.0: 2147483648 is greater"),
    ("seed of 2^63", "seeds: [9223372036854775808]", r"seeds\[0\]: is beyond the largest number"),
    ("seed of evaluation that is negative", "evaluation: {seed: -1}", r"evaluation\.seed: must be at least 0"),
    ("window of no step", "runs: {red: {weight: {window: 0}}}", r"weight\.window: must be at least 1, found 0"),
    ("bounds of w the wrong way round", "runs: {red: {weight: {low: 9.0}}}", r"weight\.low: 9 is above high, 8"),
    ("negative bound of w", "runs: {red: {weight: {low: -1.0}}}", r"weight\.low: must be at least 0"),
    ("floor of zero", "runs: {red: {weight: {floor: 0.0}}}", r"weight\.floor: must be above 0"),
    ("negative clip", "runs: {grpo: {rollout: {clip_low: -0.2}}}", r"rollout\.clip_low: must be at least 0"),
    ("beta of one", "common: {betas: [0.9, 1.0]}", r"betas\[1\]: must be below 1, found 1"),
    ("no rollout in memory", "common: {tokens_per_forward: 0}", r"tokens_per_forward: must be at least 1"),
    ("negative interval of a metric", "common: {entropy_every: -1}", r"entropy_every: must be at least 0"),
    ("no problem of a benchmark", "benchmarks: {amc: {limit: 0}}", r"benchmarks\.amc\.limit: must be at least 1"),
    ("prompts of a probe beyond 32 bits", "probes: {entropy: {prompts: 4294967296}}", r"probes\.entropy\.prompts: "),
    ("negative memory of a device", "hardware: {memory_gib: -1.0}", r"hardware\.memory_gib: must be above 0"),
    ("share of prompts above one", "behaviour: {failed: 1.5}", r"behaviour\.failed: must be at most 1"),
    ("no prompts", "data: {prompts: {count: 0}}", r"prompts\.count: must be at least 1, found 0"),
    ("habit above one", "world: {slip: 1.5}", r"world\.slip: must be at most 1, found 1\.5"),
    ("NaN in evaluation", "evaluation: {temperature: .nan}", r"evaluation\.temperature: must be a finite number"),
    ("number beyond all floats", f"common: {{lr: 1{'0' * 400}}}", r"\.lr: is beyond the largest number"),
    ("number of 5000 digits", f"common: {{lr: {'9' * 5000}}}", r"not valid YAML: Exceeds the limit"),
    ("warm-up share above one", "common: {warmup: 1.5}", r"\.warmup: must be at most 1, found 1\.5"),
    ("negative floor of the rate", "common: {lr_floor: -0.1}", r"\.lr_floor: must be at least 0, found -0\.1"),
    ("negative weight decay", "common: {weight_decay: -0.1}", r"\.weight_decay: must be at least 0, found -0\.1"),
    (
        "updates that do not divide the prompts",
        "common: {updates_per_rollout: 5}",
        r"\.updates_per_rollout: must divide",
    ),
    ("group of one with a demonstration", "common: {group_size: 1}", r"\.group_size: 1 leaves no rollout"),
    ("one beta", "common: {betas: [0.9]}", r"\.betas: expected 2 values, found 1"),
    ("unknown key at the top", "commons: {lr: 1.0e-3}", r"commons: unknown key; did you mean 'common'"),
    ("unknown key in common", "common: {learning_rate: 1.0}", r"learning_rate: unknown key"),
    (
        "unknown key of a run",
        "runs: {red: {weigth: {low: 0.0}}}",
        r"runs\.red\.weigth: unknown key; did you mean 'weight'",
    ),
    ("unknown key of a nested record", "runs: {red: {weight: {hi: 1.0}}}", r"runs\.red\.weight\.hi: unknown key"),
    ("number as a key", "runs: {red: {weight: {1: 2}}}", r"runs\.red\.weight: key 1 must be a text"),
    ("unknown method", "runs: {x: {method: ppo}}", r"runs\.x\.method: unknown method 'ppo'; one of"),
    ("method that is a module path", "runs: {x: {method: ../os}}", r"runs\.x\.method: unknown method '../os'"),
    (
        "unknown corruption",
        "runs: {x: {method: red, corruption: rot}}",
        r"runs\.x\.corruption: 'rot' is not one of clean",
    ),
    (
        "corruption without a function",
        "corruptions: {x: {function: rot, rate: 0.1}}",
        r"corruptions\.x\.function: corruption 'rot' is unknown",
    ),
    (
        "rate of a corruption above one",
        "corruptions: {x: {function: noisy_labels, rate: 2.0}}",
        r"corruptions\.x\.rate: must be at most 1, found 2\.0",
    ),
    (
        "unknown benchmark source",
        "benchmarks: {x: {source: y, grader: math, metric: pass_at_1, samples: 1, group: math}}",
        r"benchmarks\.x\.source: 'y' is not in the catalog",
    ),
    ("no samples", "benchmarks: {amc: {samples: 0}}", r"benchmarks\.amc\.samples: must be at least 1, found 0"),
    ("probe of an unknown run", "probes: {entropy: {runs: [nobody]}}", r"probes\.entropy\.runs: no run named 'nobody'"),
    ("probe without a number of prompts", "probes: {x: {runs: [red]}}", r"probes\.x: 'prompts' is a required property"),
    ("unknown probe", "probes: {x: {runs: [red], prompts: 1, samples: 1}}", r"probes\.x: unknown; one of"),
    ("like a run that is not there", "runs: {x: {like: y}}", r"runs\.x\.like: no run named 'y'"),
    ("like itself", "runs: {x: {like: x}}", r"runs\.x\.like: a cycle: x -> x"),
    ("cycle of like", "runs: {x: {like: y}, y: {like: z}, z: {like: x}}", r"like: a cycle: x -> y -> z -> x"),
    (
        "cycle of init_from",
        "runs: {x: {method: sft, init_from: y}, y: {method: sft, init_from: x}}",
        r"init_from: a cycle: x -> y -> x",
    ),
    (
        "cycle through w",
        "runs: {x: {like: red, init_from: y}, y: {like: red, weight: {kind: mean_of, source: x}}}",
        r"a cycle: x -> y -> x",
    ),
    (
        "snapshot after the end",
        "runs: {x: {method: sft, init_from: sft@9999}}",
        r"runs\.x\.init_from: step 9999 is not inside sft's",
    ),
    (
        "snapshot that is no number",
        "runs: {x: {method: sft, init_from: sft@last}}",
        r"runs\.x\.init_from: 'sft@last' does not match",
    ),
    (
        "seed that the parent lacks",
        "runs: {x: {method: sft, init_from: sft, seeds: [7]}}",
        r"runs\.x\.seeds: sft is not trained with seed 7",
    ),
    (
        "control without a source",
        "runs: {x: {like: red, weight: {kind: mean_of}}}",
        r"runs\.x\.weight\.source: mean_of needs",
    ),
    ("seed twice", "seeds: [0, 0]", r"seeds: .*non-unique"),
    ("run name that climbs", 'runs: {"../../etc": {method: sft}}', r"runs: '\.\./\.\./etc' does not match"),
    ("run name with a slash", 'runs: {"a/b": {method: sft}}', r"runs: 'a/b' does not match"),
    ("run name with a line end", 'runs: {"red\\n": {method: sft}}', r"runs: 'red\\n' does not match"),
    ("run name of 300 letters", f"runs: {{{'x' * 300}: {{method: sft}}}}", r"runs: 'xxx"),
    ("reserved run name", "runs: {base: {method: sft}}", r"runs\.base: reserved"),
    ("run that is a text", "runs: {red: hello}", r"runs\.red: 'hello' is not of type 'object'"),
    (
        "training field changed without a reason",
        "runs: {x: {method: sft, lr: 1.0}}",
        r"runs\.x\.because: say why the run has its own lr",
    ),
    ("only an unknown run", "only: [nobody]", r"only: no run named 'nobody'"),
    ("only a list", "only: [[red]]", r"only\.0: \['red'\] is not of type 'string'"),
    ("date", "model: {seed: 2020-01-01}", r"model\.seed: .*is read as a date; quote it"),
    ("control characters", 'runs: {red: {label: "a\\e[31mb"}}', r"runs\.red\.label: .* holds control characters"),
    (
        "label of several lines",
        'runs: {red: {label: "RED\\n\\n.. raw:: html"}}',
        r"runs\.red\.label: .* must be one line",
    ),
    ("label that legends leave out", "runs: {red: {label: _red}}", r"runs\.red\.label: '_red' must be one line"),
    ("group of several lines", 'base: {row_group: "a\\tb"}', r"base\.row_group: 'a\\tb' is not one of"),
    (
        "label of a benchmark of several lines",
        'benchmarks: {amc: {label: "a\\nb"}}',
        r"benchmarks\.amc\.label: .* must be one line",
    ),
    ("folder that is a command", 'pathvars: {logs: "a; touch x"}', r"pathvars\.logs: 'a; touch x' must be a path"),
    ("folder of an unknown name", "pathvars: {benchmark: x}", r"pathvars\.benchmark: unknown key; did you mean 'bench"),
    ("folder with braces", 'pathvars: {logs: "{run}"}', r"pathvars\.logs: '\{run\}' must be a path"),
    ("half a surrogate pair", 'runs: {red: {label: "\\uD800"}}', r"label: .* holds control characters"),
    (
        "unknown key of resources",
        "resources: {train: {gpus: 1}}",
        r"resources\.train\.gpus: unknown key; did you mean 'gpu'",
    ),
    ("negative memory", "resources: {train: {mem_mb: -1}}", r"resources\.train\.mem_mb: must be at least 1, found -1"),
    ("unknown source of prompts", "data: {prompts: {source: mapping}}", r"prompts\.source: 'mapping' is unknown"),
    ("impossible count of prompts", "data: {prompts: {count: many}}", r"prompts\.count: expected int, found 'many'"),
    (
        "source of the model that is a list",
        "model: {source: [embedded]}",
        r"model\.source: \['embedded'\] is not of type 'string'",
    ),
    ("unknown size of the model", "model: {size: huge}", r"model\.size: 'huge' is not one of"),
)
# name, whole file, pattern
FILES: tuple[tuple[str, bytes, str], ...] = (
    ("not YAML", b"runs: {red: [", r"overlay\.yaml: not valid YAML"),
    ("a list at the top", b"- 1", r"overlay\.yaml: expected a mapping at the top"),
    ("an empty file", b"", r"overlay\.yaml: expected a mapping at the top"),
    ("invalid UTF-8", b"scale: \xff\xfe", r"overlay\.yaml: not valid YAML: .*utf-8"),
    ("NUL byte", b"scale: ti\0ny", r"overlay\.yaml: not valid YAML: .*special characters"),
    ("key twice", b"seeds: [0]\nseeds: [1]", r"overlay\.yaml: line 1: key 'seeds' occurs twice"),
    ("run twice", b"runs:\n  x: {method: sft}\n  x: {method: red}", r"line 2: key 'x' occurs twice"),
    ("alias", b"a: &a [1]\nb: *a", r"overlay\.yaml: line 1: YAML aliases"),
    (
        "bomb of lists",
        b"a: &a [1,1]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (i + 1, i + 1, i, i) for i in range(97, 121)),
        r"YAML aliases",
    ),
    (
        "bomb of mappings",
        b"a: &a {x: 1}\n" + b"".join(b"%c: &%c {x: *%c, y: *%c}\n" % (i + 1, i + 1, i, i) for i in range(97, 121)),
        r"YAML aliases",
    ),
    ("endless nesting", b"runs: " + b"[" * 5000, r"overlay\.yaml: not valid YAML"),
    (
        "object constructor",
        b"model: !!python/object/apply:os.system ['true']",
        r"not valid YAML: could not determine a constructor",
    ),
    ("merge key", b"a: {<<: {x: 1}}", r" a: unknown key"),
    ("tab indentation", b"runs:\n\tx: {method: sft}", r"not valid YAML: .*'\\t'"),
)


@table("content, pattern", "config: ", [*((name, text.encode(), pattern) for name, text, pattern in OVERLAYS), *FILES])
def test_overlay(content: bytes, pattern: str, tmp_path: Path, check):
    (tmp_path / "overlay.yaml").write_bytes(content)
    check(pattern, ["estimate", "--configfile", tmp_path / "overlay.yaml"])


@named("config: byte-order mark and CRLF are accepted")
def test_windows_file(tmp_path: Path, check):
    (tmp_path / "overlay.yaml").write_bytes(b"\xef\xbb\xbfseeds: [0]\r\n")
    check(None, ["estimate", "--configfile", tmp_path / "overlay.yaml"])


@named("config: no such file")
def test_missing_file(tmp_path: Path, check):
    check(r"overlay\.yaml: no such file", ["estimate", "--configfile", tmp_path / "overlay.yaml"])
