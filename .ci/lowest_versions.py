"""Print constraints for pip: constraints.txt with the lowest versions that pyproject.toml allows (`make test-lowest`).

The packages that users install are lowered, dependencies and extras, but not the tools of developers.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lowest_versions(pyproject: str) -> dict[str, str]:
    """Return the lowest version of each package that satisfies all requirements ``name>=version`` of a pyproject.toml.

    Raises
    ------
    ValueError
        If a requirement has another form.
    """
    project = tomllib.loads(pyproject)["project"]
    extras = project.get("optional-dependencies", {})
    of_users = [each for name in extras if name not in ("dev", "docs") for each in extras[name]]
    requirements = [*project["dependencies"], *of_users]
    lowest: dict[str, str] = {}
    for requirement in requirements:
        match = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: expected a requirement 'name>=version', got {requirement!r}.")
        name, version = match[1], match[2]
        lowest[name] = max(lowest.get(name, version), version, key=_numbers)
    return lowest


def lowered(constraints: str, lowest: dict[str, str]) -> str:
    """Return constraints ``name==version`` with the lowest versions in place of their own."""
    kept = [line for line in constraints.splitlines() if _key(line.partition("==")[0]) not in map(_key, lowest)]
    return "\n".join([*kept, *(f"{name}=={version}" for name, version in lowest.items())])


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    versions = lowest_versions((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    print(lowered((ROOT / "constraints.txt").read_text(encoding="utf-8"), versions))
