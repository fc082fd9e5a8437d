"""Print the lowest version of each package that pyproject.toml allows, as constraints for pip: `make test-lowest`.

Only what users install is held down: the dependencies and the extras, without the tools of developers.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def lowest_versions(pyproject: str) -> list[str]:
    """Return ``name==version`` for each ``name>=version`` of a pyproject.toml, the highest of each name."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *(each for name in extras if name != "dev" for each in extras[name])]
    lowest: dict[str, str] = {}
    for requirement in requirements:
        name, version = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
        lowest[name] = max(lowest.get(name, version), version, key=lambda text: [int(part) for part in text.split(".")])
    return [f"{name}=={version}" for name, version in sorted(lowest.items())]


if __name__ == "__main__":
    print("\n".join(lowest_versions((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))))
