# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a directory with all that the collection needs where there is no way out: tarball, wheels, images by name, checksums."""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import importer
from tools.environments import Environment
from tools.paths import CACHE, ROOT, ToolError, output, run, say

# What runs playbooks: the collection does not require it, an execution environment does.
PROGRAMS = ("ansible-core>=2.19", "ansible-runner>=2.4.0")
GLIBC = ("manylinux_2_28", "manylinux2014", "manylinux_2_17")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SKOPEO = ("skopeo", "inspect", "--format", "{{.Digest}}")

INSTALL = """\
# stowage.kubernetes without a way out

For Python {python} on {platform}, with a glibc of 2.28 or later.

```console
$ sha256sum --check SHA256SUMS
$ python{python} -m venv /opt/stowage
$ /opt/stowage/bin/pip install --no-index --find-links wheels -r requirements.txt {programs}
$ /opt/stowage/bin/ansible-galaxy collection install --offline -p /usr/share/ansible/collections {tarball}
```

An execution environment is built of the same. Put this directory beside execution-environment.yml as `bundle`, and there

```yaml
additional_build_files: [{{src: bundle, dest: bundle}}]
additional_build_steps:
  prepend_base: ["COPY _build/bundle /bundle", "ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/bundle/wheels"]
dependencies:
  galaxy: {{collections: [{{name: /bundle/{tarball}, type: file}}]}}
```

with the rest of `dependencies` as it is, a base image that has this Python, and ANSIBLE_GALAXY_CLI_COLLECTION_OPTS: --offline below
`build_arg_defaults`.

images.txt names the images, the option that each is, and its digest, or how to find it. Nothing else is pulled.
"""


@dataclass(frozen=True)
class Image:
    """An image that somebody pulls. ``option`` is what another one is named by."""

    name: str
    option: str


@dataclass(frozen=True)
class Target:
    """Where the bundle is to be installed."""

    python: str
    machine: str

    @property
    def platforms(self) -> list[str]:
        """The tags of wheels that fit there."""
        return [f"{libc}_{self.machine}" for libc in GLIBC]


def images() -> list[Image]:
    """All images that anything in the collection pulls."""
    definition = (ROOT / "docs" / "awx" / "project" / "execution-environment.yml").read_text(encoding="utf-8")
    settings = (ROOT / "docs" / "awx" / "aap_configuration" / "settings.yml").read_text(encoding="utf-8")
    base = re.search(r"base_image:\n +name: (\S+)", definition)
    made = re.search(r"^stowage_awx_image: (\S+)", settings, re.MULTILINE)
    if not base or not made:
        raise ToolError("The images of docs/awx are not where they were.")
    return [
        Image(base[1], "--build-arg EE_BASE_IMAGE=… of ansible-builder: what the execution environment is built on"),
        Image(
            made[1], "stowage_awx_image in AWX, schedule_image of the role schedule: the execution environment, yours"
        ),
    ]


def described(image: Image, *, resolve: bool) -> str:
    """A line about an image. A digest is asked for at its registry, or not said."""
    ask = " ".join([*SKOPEO[:3], f"'{SKOPEO[3]}'", f"docker://{image.name}"])
    digest = f"not resolved; {ask}"
    if resolve:
        digest = output([*SKOPEO, f"docker://{image.name}"])
        if not _DIGEST.fullmatch(digest):
            raise ToolError(f"skopeo says no digest of {image.name}: {digest[:100]}")
    return f"{image.name}\n  option: {image.option}\n  digest: {digest}\n"


def wheels(target: Target, downloader: Environment) -> Path:
    """A directory with the wheels of all that is needed, downloaded once for what asks for it."""
    asked = [(ROOT / "requirements.txt").read_text(encoding="utf-8"), *PROGRAMS, *target.platforms, target.python]
    kept = CACHE / "bundle" / hashlib.sha256("\0".join(asked).encode()).hexdigest()[:16]
    if kept.is_dir():
        return kept
    downloader.ensure()
    work = kept.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    options = [f"--platform={one}" for one in target.platforms]
    command: list[str | Path] = [
        downloader.program("python"),
        "-m",
        "pip",
        "download",
        "--quiet",
        "--only-binary=:all:",
    ]
    words: list[str | Path] = [
        *options,
        f"--python-version={target.python}",
        "--dest",
        work,
        "--requirement",
        ROOT / "requirements.txt",
    ]
    run([*command, *words, *PROGRAMS], quiet=True)
    work.rename(kept)
    return kept


def write(directory: Path, tarball: Path, target: Target, downloaded: Path, *, resolve: bool = False) -> None:
    """Writes the bundle into a new directory."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(downloaded, directory / "wheels")
    for file in (tarball, ROOT / "requirements.txt"):
        shutil.copy2(file, directory)
    text = "\n".join(described(one, resolve=resolve) for one in images())
    (directory / "images.txt").write_text(text, encoding="utf-8")
    told = INSTALL.format(
        python=target.python,
        platform=f"Linux on {target.machine}",
        programs=" ".join(f"'{one}'" for one in PROGRAMS),
        tarball=tarball.name,
    )
    (directory / "INSTALL.md").write_text(told, encoding="utf-8")
    (directory / "SHA256SUMS").write_text(checksums(directory), encoding="utf-8")


def checksums(directory: Path) -> str:
    """A line for each file but that of the checksums, as sha256sum reads them."""
    found = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory)}\n" for path in found
    )


def run_bundle(builder: Environment, downloader: Environment, arguments: Sequence[str]) -> None:
    """Builds the collection and writes `dist/bundle`."""
    parser = argparse.ArgumentParser(prog="make bundle")
    parser.add_argument("--python", default=builder.python.minor, help="version of Python there (default: %(default)s)")
    parser.add_argument("--machine", default="x86_64", help="x86_64 or aarch64 (default: %(default)s)")
    parser.add_argument("--resolve", action="store_true", help="ask registries for digests, by skopeo")
    options = parser.parse_args(arguments)
    target = Target(options.python, options.machine)
    downloaded = wheels(target, downloader)
    tarball = importer.build(builder)
    directory = ROOT / "dist" / "bundle"
    write(directory, tarball, target, downloaded, resolve=options.resolve)
    count = len(list((directory / "wheels").iterdir()))
    say(f"Wrote dist/bundle: {tarball.name}, {count} wheels for Python {target.python} on {target.machine}")
    if not options.resolve:
        say("Digests of images are not resolved: ARGS=--resolve asks for them, with skopeo.")
