"""Builds the extensions; everything else about the distribution is in pyproject.toml.

A failed compile fails the install: there is no slow fallback. `STREAM_DEBUG=1` builds with bounds
checks, overflow checks, line tracing (for coverage and profilers) and C assertions. `STREAM_SANITIZE=1`
builds with AddressSanitizer and UndefinedBehaviorSanitizer.
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
SANITIZE = os.environ.get("STREAM_SANITIZE") == "1"

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
if SANITIZE:
    flags = [
        "-O1",
        "-g",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ]


# yyjson's two files are compiled into the one extension that reads JSON; of its parts only the reader.
YYJSON = "stream/_vendor/yyjson"
READER = [("YYJSON_DISABLE_WRITER", "1"), ("YYJSON_DISABLE_UTILS", "1"), ("YYJSON_DISABLE_NON_STANDARD", "1")]


def extension(name: str) -> Extension:
    sources = [name.replace(".", "/") + ".pyx"]
    if name == "stream._event":
        sources.append(f"{YYJSON}/yyjson.c")
    return Extension(
        name,
        sources,
        include_dirs=[YYJSON],
        define_macros=macros + READER,
        extra_compile_args=flags,
        extra_link_args=flags if SANITIZE else [],
    )


setup(
    ext_modules=cythonize(
        [extension(f"stream.{name}") for name in EXTENSIONS],
        compiler_directives=directives,
        # Its own C files: a release must never be made of those with tracing in them.
        build_dir="build/debug/c" if DEBUG else None,
        force=DEBUG,
    )
)
