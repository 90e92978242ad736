"""The image, without a container engine: the Dockerfile only calls scripts, and the same scripts run here.

What is compiled already is not compiled again, which would take two minutes: the copy of the sources that
`build.sh` gets has this tree's C files and extensions where setuptools looks for its own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.kit.kafka import consume_all, create_topics, produce
from tests.kit.worker import Worker

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "deploy" / "image"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
USER = 10001
# Root without its capabilities may write what permissions say and no more: as in the chart, as anybody else.
WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
RULES = """
sources: {shop: {topic: PREFIX-shop, event: event, customer: customer_id, id: event_id}}
channels: {web: {topic: PREFIX-web, consent: none}}
rules:
  welcome: {on: login, send: {channel: web, content: {banner: Hello}}}
"""


@dataclass(frozen=True, slots=True)
class Image:
    """What the scripts made, below `folder`."""

    folder: Path

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    @property
    def environment(self) -> Path:
        return self.folder / "opt"

    @property
    def installed(self) -> dict[str, Distribution]:
        packages = self.environment / "lib" / "python3.11" / "site-packages"
        return {canonicalize_name(each.name): each for each in distributions(path=[str(packages)])}


def script(
    name: str, *arguments: object, within: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a step of the Dockerfile's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    env = os.environ | quiet | {"PATH": path} | variables
    command = [*within, "sh", str(SCRIPTS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd="/", check=False)
    assert done.returncode == 0, f"{name}\n{done.stdout}{done.stderr}"
    return done


def build_context() -> tuple[list[str], list[str]]:
    """What Dockerfile.dockerignore takes, and what it leaves out of that."""
    lines = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    first, *patterns = [line for line in lines if line and not line.startswith("#")]
    assert first == "*"
    taken = [each.removeprefix("!") for each in patterns if each.startswith("!")]
    return taken, patterns[len(taken) :]


def copy_sources(target: Path) -> Path:
    """What the image is built from, and what setuptools would have left from a build of it."""
    taken, left_out = build_context()
    left = {path for pattern in left_out for path in ROOT.glob(pattern)}
    for name in taken:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, target / name)
        else:
            shutil.copytree(
                ROOT / name,
                target / name,
                ignore=lambda folder, names: [each for each in names if Path(folder, each) in left],
            )
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    built = target / "build" / f"lib.{sysconfig.get_platform()}-cpython-{version}"
    # Newer than all that they are made of, to which Cython's own files belong, and those are fetched anew.
    later = time.time() + 3600
    for suffix, folder, at in (("c", target, later), ("so", built, later + 1)):
        for path in (ROOT / "stream").rglob(f"_*.{suffix}"):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.utime(shutil.copy(path, copy), (at, at))
    return target


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Wheels and environment; made once for all tests here."""
    with TemporaryDirectory(prefix="stream-image-") as made:
        found = Image(Path(made))
        script("build.sh", copy_sources(found.folder / "source"), found.wheels)
        # From here on nothing may be compiled.
        script("install.sh", found.wheels, found.environment, CC="/bin/false", CXX="/bin/false")
        open_for(found.environment, 0o555)
        yield found
        open_for(found.environment, 0o755)


def open_for(folder: Path, mode: int) -> None:
    """All files and folders below `folder`: 0o555 is read only, as the image's file system is."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(mode)


def pinned(name: str = "requirements.txt") -> dict[str, str]:
    """Package → version."""
    text = (SCRIPTS / name).read_text()
    return {
        canonicalize_name(n): v for n, v in re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\$", text, re.MULTILINE)
    }


def test_what_is_pinned_is_what_the_project_asks_for() -> None:
    """Red after pyproject.toml changed: `deploy/image/lock.sh` pins anew."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = pinned()
    for text in [*project["dependencies"], *project["optional-dependencies"]["otel"]]:
        asked = Requirement(text)
        version = pins.get(canonicalize_name(asked.name))
        assert version, f"{asked.name} is not pinned: run deploy/image/lock.sh"
        assert asked.specifier.contains(version), f"{asked}, pinned is {version}: run deploy/image/lock.sh"
    for name in ("requirements.txt", "sbom-requirements.txt"):
        text = (SCRIPTS / name).read_text()
        assert text.count("==") == len(re.findall(r"== *\S+ \\\n    --hash=sha256:", text)), (
            f"{name}: a pin has no checksum"
        )


def test_each_wheel_is_there_once(image: Image) -> None:
    names = sorted(canonicalize_name(path.name.split("-")[0]) for path in image.wheels.iterdir())
    assert names == sorted([*pinned(), "stream-triggers"])


def test_nothing_is_inside_but_what_is_pinned(image: Image) -> None:
    versions = {name: each.version for name, each in image.installed.items()}
    assert versions.pop("stream-triggers")
    assert versions == pinned()
    assert not [path for name in ("pip", "pip3", "ensurepip") for path in image.environment.rglob(name)]


def test_the_bill_of_materials_has_it_all(image: Image) -> None:
    bill = json.loads((image.environment / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(each["name"]): each for each in bill["components"]}
    assert {name: each["version"] for name, each in listed.items()} == {
        name: each.version for name, each in image.installed.items()
    }
    # Not taken over: protobuf's, which is in words of its own (3-Clause BSD License).
    assert {name for name, each in listed.items() if not each.get("licenses")} <= {"protobuf"}


def test_the_check_passes(image: Image) -> None:
    """Extensions, commands, rules; and nothing that its user may write."""
    script("check.sh", image.environment, within=WITHOUT_CAPABILITIES)


def test_the_check_sees_a_lost_extension(image: Image, tmp_path: Path) -> None:
    (extension,) = image.environment.glob("lib/python3.11/site-packages/stream/matcher/_index.*.so")
    extension.parent.chmod(0o755)
    kept = shutil.move(extension, tmp_path)
    extension.parent.chmod(0o555)
    try:
        with pytest.raises(AssertionError, match="_index"):
            script("check.sh", image.environment, within=WITHOUT_CAPABILITIES)
    finally:
        extension.parent.chmod(0o755)
        shutil.move(kept, extension)
        extension.parent.chmod(0o555)


def test_a_worker_needs_no_place_to_write_but_its_data(image: Image, kafka: str, prefix: str) -> None:
    """As in the chart: no capabilities, no home, all read only but the data folder and /tmp; RocksDB."""
    folder = image.folder / prefix
    for name in ("rules", "data", "tmp", "closed"):
        (folder / name).mkdir(parents=True)
    (folder / "closed").chmod(0o555)
    (folder / "rules" / "shop.yaml").write_text(RULES.replace("PREFIX", prefix))
    create_topics(kafka, {f"{prefix}-shop": 2, f"{prefix}-web": 2})
    event = {"event": "login", "customer_id": "c1", "event_id": "e1"}
    produce(kafka, f"{prefix}-shop", [(0, b"c1", json.dumps(event).encode(), None, ())])
    moved = f'cd {folder}/closed && HOME={folder}/closed TMPDIR={folder}/tmp exec "$@"'
    program = [str(image.environment / "bin" / "stream"), "worker"]
    worker = Worker(
        kafka,
        prefix,
        folder / "rules",
        image.folder / f"{prefix}.log",
        ["sh", "-c", moved, "sh", *WITHOUT_CAPABILITIES, *program],
        store="rocksdb",
        data_dir=str(folder / "data"),
        instance_id="stream-0",
    )
    with worker:
        worker.until_ready().until_caught_up([f"{prefix}-shop"])
        assert worker.stop() == 0, worker.log
    (record,) = consume_all(kafka, [f"{prefix}-web"])
    assert json.loads(record.value or b"")["rule"] == "welcome"
    assert list((folder / "data").rglob("CURRENT")), "the store is where it should be"


def base_image(folder: Path) -> Path:
    """What a slim Python image has that matters here."""
    for name in ("usr/bin/env", "usr/local/bin/pip3", "usr/local/lib/python3.11/ensurepip/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    packages = folder / "usr/local/lib/python3.11/site-packages"
    for name in ("pip", "pip-26.0.dist-info", "setuptools", "setuptools-79.0.dist-info", "README"):
        (packages / name).mkdir(parents=True)
    su = folder / "usr/bin/su"
    su.write_text("")
    su.chmod(0o4755)
    (folder / "etc").mkdir()
    for name in ("passwd", "group"):
        (folder / "etc" / name).write_text("root:x:0:\n")
    return folder


def test_the_base_image_loses_installers_and_gets_a_user(tmp_path: Path) -> None:
    root = base_image(tmp_path)
    script("harden.sh", root)
    left = {path.name for path in root.rglob("*")}
    assert not {name for name in left if name.startswith(("pip", "setuptools", "ensurepip"))}
    assert "README" in left
    assert (root / "usr/bin/su").stat().st_mode & 0o6000 == 0
    assert f"stream:x:{USER}:{USER}:" in (root / "etc/passwd").read_text()
    assert (root / "var/lib/stream").stat().st_uid == USER


def test_a_base_image_with_a_compiler_is_refused(tmp_path: Path) -> None:
    root = base_image(tmp_path)
    (root / "usr/bin/gcc").write_text("")
    with pytest.raises(AssertionError, match="gcc is in the base image"):
        script("harden.sh", root)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, with their arguments."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def test_the_dockerfile_only_calls_the_scripts() -> None:
    steps = []
    for word, rest in instructions():
        if word == "RUN":
            command = [each for each in shlex.split(rest) if not each.startswith("--mount=")]
            steps.append(Path(command[0]).name)
            assert Path(command[0]).parts[1] in ("source", "image"), rest
            assert os.access(SCRIPTS / steps[-1], os.X_OK)
            assert not {"&&", ";", "|"} & set(command), rest
    assert steps == ["build.sh", "install.sh", "harden.sh", "check.sh"]


def test_the_dockerfile_is_as_it_should_be() -> None:
    found = instructions()
    arguments = dict(rest.split("=", 1) for word, rest in found if word == "ARG")
    for name in ("BUILD_IMAGE", "RUNTIME_IMAGE"):
        assert re.fullmatch(r"python:3\.11\.\d+-(slim-)?bookworm(@sha256:[0-9a-f]{64})?", arguments[name])
    assert "slim" in arguments["RUNTIME_IMAGE"]
    versions = {re.search(r"3\.11\.\d+", value)[0] for value in arguments.values()}  # type: ignore[index]
    assert len(versions) == 1, "wheels are built for the Python that they run on"
    assert all(rest.startswith("${") for word, rest in found if word == "FROM")
    assert not [word for word, _ in found if word in ("ADD", "ONBUILD", "SHELL", "MAINTAINER", "HEALTHCHECK")]
    last = max(number for number, (word, _) in enumerate(found) if word == "FROM")
    final = found[last:]
    assert ("USER", f"{USER}:{USER}") in final
    after = final[final.index(("USER", f"{USER}:{USER}")) + 1 :]
    assert not [word for word, _ in after if word in ("USER", "COPY")], "all that comes later is the user's"
    assert [rest for word, rest in final if word == "COPY"] == ["--from=installed /opt/stream /opt/stream"]
    assert ("EXPOSE", "9464") in final
    assert not re.search("password|secret|token", DOCKERFILE.read_text(), re.IGNORECASE)


def test_the_build_gets_the_sources_and_nothing_that_lies_around() -> None:
    taken, left_out = build_context()
    assert all((ROOT / name).exists() for name in taken)
    needed = {"setup.py", "pyproject.toml", "stream", "rules", "deploy/image", "README.md", "LICENSE"}
    assert needed <= set(taken)
    assert {"**/*.so", "stream/*.c", "stream/*/*.c"} <= set(left_out), (
        "a build of somebody's own machine would go in"
    )
