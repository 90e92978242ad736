"""Builds the extensions; everything else about the distribution is in pyproject.toml.

A failed compile fails the install: there is no slow fallback. `STREAM_DEBUG=1` builds with bounds
checks, overflow checks, line tracing (for coverage and profilers) and C assertions.
"""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

EXTENSIONS = (
    *("_value", "_packed", "_windows", "_layout", "_instances", "_state"),
    *("_reader", "_codec", "_timers", "_byid", "_customers"),
    *("_frame", "_index", "_operators", "_condition"),
    *("_times", "_profile", "_decode", "_program", "_fastmatch"),
)
DEBUG = os.environ.get("STREAM_DEBUG") == "1"

directives = {
    "language_level": 3,
    "embedsignature": True,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "overflowcheck": DEBUG,
    "cdivision": not DEBUG,
    "linetrace": DEBUG,
}
macros = [("CYTHON_TRACE_NOGIL", "1")] if DEBUG else [("CYTHON_WITHOUT_ASSERTIONS", "1")]
flags = ["-O0", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0"]


def extension(name: str) -> Extension:
    source = name.replace(".", "/") + ".pyx"
    return Extension(name, [source], define_macros=macros, extra_compile_args=flags)


setup(
    ext_modules=cythonize(
        [extension(f"stream.{name}") for name in EXTENSIONS],
        compiler_directives=directives,
        force=DEBUG,
    )
)
