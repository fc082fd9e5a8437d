"""``ispfit compare``: backbones on equal terms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ispfit.cli.common import LeftOut, print_json, report_failures, report_left_out, table, warnings_as_notes
from ispfit.cli.options import (
    Decorator,
    combine,
    device_options,
    jobs_option,
    json_option,
    known_settings,
    no_register_option,
    parse_settings,
    training_options,
)

if TYPE_CHECKING:
    from ispfit.backbone import Backbone
    from ispfit.comparison import Budget, Comparison, PairSet, Published

__all__ = ["backbone_options", "chosen_backbones", "compare", "compare_cameras", "comparison_options"]

_RATE = "learning_rate"

backbone_options = combine(
    click.option(
        "--backbones",
        default="all",
        show_default=True,
        metavar="NAMES",
        help="Compare these backbones: names separated by commas, or all that are installed.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="BACKBONE.NAME=VALUE",
        help="Set a parameter of a backbone, or its learning_rate. VALUE is JSON (8, true, [16, 4]) or a word. "
        "Repeat for more parameters.",
    ),
    click.option(
        "--reference",
        default="histpyramid",
        metavar="NAME",
        show_default="histpyramid, or the first backbone",
        help="Compare the other backbones with this one, shot by shot.",
    ),
)
"""Options that choose backbones, for `chosen_backbones`."""


def comparison_options(**training: Any) -> Decorator:
    """Return a decorator that adds the options of `compare_cameras`; `training` are defaults of training options."""
    return combine(
        click.option(
            "-o",
            "--output",
            required=True,
            type=click.Path(path_type=Path),
            help="Write results, tables, checkpoints and the pairs of synthetic datasets to this folder.",
        ),
        training_options(**({"validation_fraction": 0.0} | training)),
        click.option(
            "--seconds",
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            help="Train each direction for this wall time, in place of --max-steps. The time of a step is "
            "measured first, so the machine should be idle.",
        ),
        click.option(
            "--seeds",
            "n_seeds",
            type=click.IntRange(1),
            default=1,
            metavar="N",
            show_default=True,
            help="Fit each backbone N times, with the seeds 0 to N - 1.",
        ),
        click.option(
            "--shots",
            "n_samples",
            type=click.IntRange(5),
            default=60,
            metavar="N",
            show_default=True,
            help="Make N pairs of a synthetic dataset.",
        ),
        click.option(
            "--size",
            "image_size",
            type=click.IntRange(16),
            default=192,
            metavar="PIXELS",
            show_default=True,
            help="Set the side of the square images of a synthetic dataset.",
        ),
        no_register_option,
        device_options,
        jobs_option("Number of simultaneous runs, which share the cores.", default=1),
    )


@click.command()
@click.argument("cameras", nargs=-1, required=True)
@backbone_options
@comparison_options(max_steps=1000, learning_rate=2e-3)
@json_option("Print the results of all runs as JSON.")
def compare(cameras: tuple[str, ...], backbones: str, settings: tuple[str, ...], **options: Any) -> int:
    """Fit backbones to CAMERAS in both directions with one budget, and test them on whole images.

    CAMERAS are pair sets: a folder of `ispfit pairs`, a pairs.csv, a folder of RAW files, or the name of a dataset such
    as virtual-a. Pairs of the split "test" are the test pairs; without such a split, one pair in five is. OUTPUT gets
    comparison.csv, comparison.md and comparison.png. A stopped comparison resumes; runs whose pairs, parameters or code
    have changed are repeated.

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
    published: Published | None = None,
    **parameters: Any,
) -> int:
    """Compare backbones, write and print the comparison, and return the exit code.

    Parameters
    ----------
    cameras : names or folders, see `ispfit.comparison.prepare_pair_set`.
    backbones : the backbones, by their names in tables.
    rates : learning rates of their own, by `Backbone.name`.
    published : numbers to set beside the results.
    **parameters : training parameters of `ispfit.ISPModel`.
    """
    from ispfit.comparison import Budget, Comparison, distinct_names, plan_runs, prepare_pair_set, run_all
    from ispfit.runtime import resolve_runtime

    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise click.UsageError("torchrun is for `ispfit fit`; compare with --jobs.")
    reference = _known_reference(reference, list(backbones))
    budgets = _budgets(Budget(parameters, seconds), backbones, rates)
    resolve_runtime(device, parameters["precision"])
    prepare = partial(
        prepare_pair_set,
        folder=output / "data",
        n_samples=n_samples,
        image_size=image_size,
        register=not no_register,
    )
    pair_sets = distinct_names([prepare(camera) for camera in cameras])
    left_out, n_pairs = _load_all(pair_sets)
    runs = plan_runs(pair_sets, backbones, budgets, n_seeds=n_seeds, device=device)
    results, failures = run_all(runs, output / "runs", n_jobs=jobs)
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


def _budgets(budget: Budget, backbones: Mapping[str, Backbone], rates: Mapping[str, float]) -> dict[str, Budget]:
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
