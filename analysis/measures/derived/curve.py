"""Which models of a study lie on the curve of a training, what starts from them, and what was made of its ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from red.tables.reader import BASE, DERIVED, Run


@dataclass(frozen=True)
class Model:
    """A model at a step of the training whose curve is drawn; 0 is the base."""

    step: int
    run: Run


@dataclass(frozen=True)
class Surgery:
    """The end of a training, the donor of its parts, and by kind (vectors, null and so on) what was made of the two."""

    late: Run
    donor: Run
    made: Mapping[str, Run]


@dataclass(frozen=True)
class Study:
    """`trunk`: the training from the base of which there are snapshots; `curve`: its models, the base first;
    `restarts`: trainings that start from one of these."""

    trunk: Run | None
    curve: tuple[Model, ...] = ()
    restarts: tuple[Model, ...] = ()
    surgeries: tuple[Surgery, ...] = ()


def study_of(runs: Sequence[Run]) -> Study:
    """Sort the runs of an item."""
    snapshots = [run for run in runs if kind(run) == "snapshot"]
    owners = {run.derived_from[0] for run in snapshots if run.derived_from}
    trunk = next((run for run in runs if run.name in owners and run.parent is None), None)
    if trunk is None:
        return Study(None, surgeries=_surgeries(runs))
    own = [Model(step_of(run), run) for run in snapshots if run.derived_from and run.derived_from[0] == trunk.name]
    bases = [Model(0, run) for run in runs if run.name == BASE]
    curve = sorted([*bases, *own, Model(step_of(trunk), trunk)], key=lambda model: model.step)
    return Study(trunk, tuple(curve), tuple(_restarts(runs, trunk)), _surgeries(runs))


def method_label(study: Study, method: str) -> str:
    """Of what starts from the curve: that of its run from the base, else its name."""
    return next((one.run.label for one in study.restarts if one.run.method == method and not one.step), method)


def kind(run: Run) -> str | None:
    """Of a derived model, as in `red.models.surgery.Derivation`; None for others."""
    return str(run.spec.get("kind")) if run.method == DERIVED else None


def step_of(run: Run) -> int:
    """Steps of its training, or after which it was derived."""
    return int(run.spec.get("step") or 0) if run.method == DERIVED else run.steps or 0


def _restarts(runs: Sequence[Run], trunk: Run) -> list[Model]:
    found = []
    for run in runs:
        if run.method in (DERIVED, BASE) or run.name == trunk.name:
            continue
        if run.parent is None:
            found.append(Model(0, run))
        elif run.parent[0] == trunk.name:
            found.append(Model(step_of(trunk) if run.parent[1] is None else run.parent[1], run))
    return sorted(found, key=lambda model: model.step)


def _surgeries(runs: Sequence[Run]) -> tuple[Surgery, ...]:
    known, groups = {run.name: run for run in runs}, dict[tuple[str, str], dict[str, Run]]()
    for run in runs:
        donor = str(run.spec.get("donor"))
        if kind(run) == "null" and donor in known:
            donor = str(known[donor].spec.get("donor"))
        if kind(run) not in (None, "snapshot"):
            groups.setdefault((str(run.spec.get("of")), donor), {})[str(kind(run))] = run
    return tuple(Surgery(_model(runs, of), _model(runs, donor), made) for (of, donor), made in groups.items())


def _model(runs: Sequence[Run], name: str) -> Run:
    """What `sft` or `sft@20` names; without seeds where the study has no such model."""
    found = (run for run in runs if run.name == name or (kind(run) == "snapshot" and run.spec.get("of") == name))
    return next(found, Run(name, name, name))
