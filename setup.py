"""Builds the extensions; everything else about the distribution is in pyproject.toml.

A failed compile fails the install: there is no slow fallback. `STREAM_DEBUG=1` builds with bounds
checks, overflow checks, line tracing (for coverage and profilers) and C assertions.
"""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

EXTENSIONS = (
    *("_value", "_event", "_times", "_packed", "_windows", "_layout", "_instances", "_state"),
    *("_reader", "_codec", "_timers", "_byid", "_customers", "_profile"),
    *(
        "_frame",
        "_fields",
        "_operators",
        "_condition",
        "_index",
        "_decode",
        "_program",
        "_explain",
        "_fastmatch",
    ),
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


# yyjson's two files are compiled into the one extension that reads JSON; of its parts only the reader.
YYJSON = "stream/_vendor/yyjson"
READER = [("YYJSON_DISABLE_WRITER", "1"), ("YYJSON_DISABLE_UTILS", "1"), ("YYJSON_DISABLE_NON_STANDARD", "1")]


def extension(name: str) -> Extension:
    sources = [name.replace(".", "/") + ".pyx"]
    if name == "stream._event":
        sources.append(f"{YYJSON}/yyjson.c")
    return Extension(
        name, sources, include_dirs=[YYJSON], define_macros=macros + READER, extra_compile_args=flags
    )


setup(
    ext_modules=cythonize(
        [extension(f"stream.{name}") for name in EXTENSIONS],
        compiler_directives=directives,
        force=DEBUG,
    )
)
