"""Builds the extensions; everything else about the distribution is in pyproject.toml.

A failed compile fails the install: there is no slow fallback. `STREAM_DEBUG=1` builds with bounds
checks, overflow checks, line tracing (for coverage and profilers) and C assertions. `STREAM_SANITIZE=1`
builds with AddressSanitizer and UndefinedBehaviorSanitizer.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

EXTENSIONS = sorted(".".join(path.with_suffix("").parts) for path in Path("stream").rglob("*.pyx"))
CORES = os.cpu_count() or 1
DEBUG = os.environ.get("STREAM_DEBUG") == "1"
SANITIZE = os.environ.get("STREAM_SANITIZE") == "1"

directives = {
    "language_level": 3,
    "embedsignature": True,
    "auto_pickle": False,  # nothing here is pickled: states have a byte form of their own
    "autotestdict": False,
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


# What is carried along is compiled into the one extension that uses it; of yyjson only the reader.
YYJSON = "stream/events/_vendor/yyjson"
BLAKE2 = "stream/decisions/_vendor/blake2"
VENDORED = {
    "stream.events._event": f"{YYJSON}/yyjson.c",
    "stream.decisions._hash": f"{BLAKE2}/blake2b-ref.c",
}
READER = [("YYJSON_DISABLE_WRITER", "1"), ("YYJSON_DISABLE_UTILS", "1"), ("YYJSON_DISABLE_NON_STANDARD", "1")]


def extension(name: str) -> Extension:
    sources = [name.replace(".", "/") + ".pyx"]
    if name in VENDORED:
        sources.append(VENDORED[name])
    return Extension(
        name,
        sources,
        include_dirs=[YYJSON, BLAKE2],
        define_macros=macros + READER,
        extra_compile_args=flags,
        extra_link_args=flags if SANITIZE else [],
    )


setup(
    options={"build_ext": {"parallel": CORES}},
    ext_modules=cythonize(
        [extension(name) for name in EXTENSIONS],
        nthreads=CORES,
        compiler_directives=directives,
        # Its own C files: a release must never be made of those with tracing in them.
        build_dir="build/debug/c" if DEBUG else None,
        force=DEBUG,
    ),
)
