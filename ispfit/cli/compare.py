"""``ispfit compare``: backbones on equal terms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ispfit.cli.common import LeftOut, print_json, report_failures, report_left_out, table, warnings_as_notes
from ispfit.cli.compare_options import backbone_options, comparison_options, folds_option, reference_option
from ispfit.cli.options import json_option, known_settings, parse_settings
from ispfit.files import claim_folder

if TYPE_CHECKING:
    from ispfit.backbone import Backbone
    from ispfit.comparison import Budget, Comparison, PairSet, Published

__all__ = ["budgets_of", "chosen_backbones", "compare", "compare_cameras"]

_RATE = "learning_rate"


@click.command()
@click.argument("cameras", nargs=-1, required=True)
@backbone_options()
@reference_option
@folds_option()
@comparison_options(max_steps=1000, learning_rate=2e-3)
@json_option("Print the results of all runs as JSON.")
def compare(cameras: tuple[str, ...], backbones: str, settings: tuple[str, ...], **options: Any) -> int:
    """Fit backbones to CAMERAS in both directions with one budget, and test them on whole images.

    CAMERAS are pair sets: a folder of `ispfit pairs`, a pairs.csv, a folder of RAW files, or the name of a dataset such
    as virtual-a. Pairs of the split "test" are the test pairs; without such a split, one pair in five is; with --folds,
    each pair is one in turn. OUTPUT gets comparison.csv, comparison.md and comparison.png. A stopped comparison
    resumes; runs whose pairs, parameters or code have changed are repeated.

    The default budget differs from that of `ispfit fit`: it has fewer steps because many models are fitted, a higher
    learning rate because fewer steps need it, and no held-out pairs so that every backbone trains to the last step.
    """
    families, rates = chosen_backbones(backbones, settings)
    return compare_cameras(cameras, families, rates, **options)


def compare_cameras(
    cameras: tuple[str, ...],
    backbones: Mapping[str, Backbone],
    rates: Mapping[str, float],
    *,
    reference: str,
    output: Path,
    seconds: float | None,
    n_seeds: int,
    n_samples: int,
    image_size: int,
    no_register: bool,
    device: str,
    jobs: int,
    as_json: bool,
    n_folds: int = 1,
    published: Published | None = None,
    **parameters: Any,
) -> int:
    """Compare backbones, write and print the comparison, and return the exit code.

    Parameters
    ----------
    cameras : names or folders, see `ispfit.comparison.prepare_pair_set`.
    backbones : the backbones, by their names in tables.
    rates : learning rates of their own, by `Backbone.name`.
    n_folds : number of folds of each camera, see `ispfit.comparison.PairSet.folds`.
    published : numbers to set beside the results.
    **parameters : training parameters of `ispfit.ISPModel`.
    """
    from ispfit.comparison import Budget, Comparison, join_folds, plan_runs, prepare_pair_sets, run_all
    from ispfit.runtime import resolve_runtime

    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise click.UsageError("torchrun is for `ispfit fit`; compare with --jobs.")
    reference = _known_reference(reference, list(backbones))
    budgets = budgets_of(Budget(parameters, seconds), backbones, rates)
    resolve_runtime(device, parameters["precision"])
    claim_folder(output, ["comparison.md", "comparison.csv", "comparison.png"], "compare")
    pair_sets = prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register)
    folds = {fold: camera.name for camera in pair_sets for fold in camera.folds(n_folds)}
    left_out, n_pairs = _load_all([camera.folds(n_folds)[0] for camera in pair_sets])
    runs = plan_runs(list(folds), backbones, budgets, n_seeds=n_seeds, device=device)
    results, failures = run_all(runs, output / "runs", n_jobs=jobs)
    results = join_folds(results, {fold.name: camera for fold, camera in folds.items()})
    comparison = Comparison(results, reference, published)
    written = _write(comparison, output)
    if as_json:
        records = [asdict(result) for result in results]
        rejected, failed = left_out.rejected, left_out.failed + failures
        print_json({"unit": "dB", "results": records, "rejected": rejected, "failures": failed})
    else:
        _print(comparison)
        click.echo("\n" + ", ".join(map(str, written)))
    return max(report_left_out(left_out, n_pairs), report_failures(failures, len(runs)))


def chosen_backbones(backbones: str, settings: tuple[str, ...]) -> tuple[dict[str, Backbone], dict[str, float]]:
    """Return the backbones that `backbone_options` choose, and their own learning rates, both by name.

    Each backbone is built once, so that parameters out of range are reported before any training.
    """
    from ispfit import get_backbone, list_backbones

    names = list_backbones() if backbones == "all" else [name.strip() for name in backbones.split(",")]
    families = {name: get_backbone(name)() for name in dict.fromkeys(names)}
    rates = {}
    for name, parameters in _by_backbone(parse_settings(settings), list(families)).items():
        if _RATE in parameters and _RATE not in families[name].get_params():
            if families[name].build().has_closed_form:
                raise click.UsageError(f"--set: {name} is not trained by steps and has no {_RATE}.")
            rates[name] = parameters.pop(_RATE)
        known = families[name].get_params()
        families[name].set_params(**known_settings(parameters, known | {_RATE: None}, name))
    for family in families.values():
        family.check_settings()
        family.build()
    return families, rates


def _by_backbone(settings: dict[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for setting, value in settings.items():
        name, dot, parameter = setting.partition(".")
        if not dot or name not in names:
            raise click.UsageError(
                f"--set: expected BACKBONE.NAME=VALUE of one of {', '.join(names)}, got {setting!r}."
            )
        found.setdefault(name, {})[parameter] = value
    return found


def budgets_of(budget: Budget, backbones: Mapping[str, Backbone], rates: Mapping[str, float]) -> dict[str, Budget]:
    """Return the budget of each backbone: the common one, or the same with a learning rate of its own."""
    from ispfit.errors import InputError

    budget.check()
    own = {name: budget.with_parameters(learning_rate=rate) for name, rate in rates.items()}
    for name, each in own.items():
        try:
            each.check()
        except InputError as error:
            raise click.UsageError(f"--set {name}.{error}") from error
    return {label: own.get(backbone.name, budget) for label, backbone in backbones.items()}


def _known_reference(reference: str, names: list[str]) -> str:
    if reference in names:
        return reference
    source = click.get_current_context().get_parameter_source("reference")
    if source is not ParameterSource.DEFAULT:
        raise click.UsageError(f"--reference: expected one of {', '.join(names)}, got {reference!r}.")
    return names[0]


def _load_all(pair_sets: list[PairSet]) -> tuple[LeftOut, int]:
    """Decode all pairs, so that bad ones are known before training; return those left out, and how many there are."""
    n_pairs = 0
    with warnings_as_notes() as left_out:
        for pair_set in pair_sets:
            n_pairs += sum(len(X) for X, _ in pair_set.load())
    return left_out, n_pairs


def _write(comparison: Comparison, output: Path) -> list[Path]:
    from ispfit.comparison import csv_text, markdown
    from ispfit.displays import ComparisonDisplay
    from ispfit.files import atomic_path

    written = []
    for name, text in (("comparison.md", markdown(comparison)), ("comparison.csv", csv_text(comparison))):
        with atomic_path(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        written.append(output / name)
    if comparison.results:
        with atomic_path(output / "comparison.png") as temporary:
            ComparisonDisplay(comparison).plot().figure_.savefig(temporary, dpi=100, format="png")
        written.append(output / "comparison.png")
    return written


def _print(comparison: Comparison) -> None:
    from ispfit.comparison import cautions, comparison_table, describe_budget, describe_parameters
    from ispfit.directions import DIRECTIONS

    for camera in comparison.cameras:
        for direction in DIRECTIONS:
            click.echo(f"\n{camera}, PSNR in dB\n" + table(*comparison_table(comparison, camera, direction)))
    click.echo(f"\n{describe_parameters(comparison)}\n{describe_budget(comparison)}")
    for caution in cautions(comparison):
        click.echo(caution)
