"""What the pure packages load: neither Faust nor aiokafka nor asyncio.

tests/project/test_layers.py looks at our own import lines; this at what they bring with them.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.project.test_layers import IMPURE_LIBRARIES, PURE, ROOT

LOADS = """
import importlib, json, pkgutil, sys

package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
# python-liquid imports asyncio for the loaders of templates from files, which content does not use. No other
# package loads it: a text is compiled where the first one is met.
BY_LIQUID = {"asyncio"}


def loaded(module: str) -> set[str]:
    """The libraries that a new interpreter holds once it has imported every module of a package."""
    command = [sys.executable, "-c", LOADS, module]
    return set(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


@pytest.mark.parametrize("package", sorted(PURE - set(ROOT)))
def test_a_pure_package_loads_no_library_of_the_runtime(package: str) -> None:
    found = loaded(f"stream.{package}")
    assert (found & IMPURE_LIBRARIES) - (BY_LIQUID if package == "content" else set()) == set()


@pytest.mark.parametrize("package", sorted(PURE - set(ROOT) - {"content"}))
def test_what_writes_no_texts_loads_no_liquid(package: str) -> None:
    assert "liquid" not in loaded(f"stream.{package}")


def test_the_exception_for_liquid_is_still_needed() -> None:
    assert loaded("liquid.environment") >= BY_LIQUID
