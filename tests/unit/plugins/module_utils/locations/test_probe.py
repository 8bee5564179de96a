# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what order a location is looked at, when that ends, and what a report makes of it; by a prober that does as told."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import CODES, StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location, PendingUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    CATALOGUE,
    check,
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe, sweep
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import STALE, Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import (
    Check,
    Layer,
    Report,
    Verdict,
)
from support.memory_location import MemoryLocation


class Scripted(Prober):
    """Finds what it was told to, and remembers which layers were asked for."""

    def __init__(self, script: dict[Layer, Sequence[Look]] | None = None, location: Location | None = None) -> None:
        self.script = script or {}
        self.asked: list[Layer] = []
        self._location = location

    def describe(self) -> str:
        return "scripted://place"

    def looks(self, layer: Layer) -> Sequence[Look]:
        self.asked.append(layer)
        return self.script.get(layer, [])

    def location(self) -> Location | None:
        return self._location

    def identity(self) -> dict[str, str]:
        return {}

    def settings(self) -> dict[str, Any]:
        return {}

    def secrets(self) -> frozenset[str]:
        return frozenset()


def look(*checks: Check, alone: bool = False) -> Look:
    """A look that finds these checks."""
    return Look(tuple(one.id for one in checks), lambda: checks, alone=alone)


def fails(*ids: str, code: str = "throttled") -> Look:
    """A look that cannot be made."""

    def run() -> list[Check]:
        raise StowageError(code, "The store asks for fewer requests.", "Later.")

    return Look(ids, run)


def test_all_layers_in_order() -> None:
    prober = Scripted({layer: [] for layer in Layer})
    found = probe(prober)
    assert prober.asked == list(Layer)
    assert [layer.value for layer in Layer] == [
        "parse", "network", "tls", "clock", "identity", "bucket", "permission", "integrity", "posture", "prefix",
    ]  # fmt: skip
    assert found.fit
    assert found.not_reached == ()


def test_the_first_layer_that_fails_is_the_last_but_all_of_it_is_looked_at() -> None:
    rights = [
        look(
            failed("may_delete", "no", "permission_denied", action="s3:DeleteObject", resource="r", granted="missing")
        ),
        look(passed("may_list", "yes", action="s3:ListBucket", resource="r", granted="allowed")),
        look(failed("may_create", "no", "permission_denied", action="s3:PutObject", resource="r", granted="missing")),
        fails("may_read"),
    ]
    prober = Scripted({Layer.PARSE: [look(passed("address", "a"))], Layer.PERMISSION: rights})
    found = probe(prober)
    assert prober.asked[-1] is Layer.PERMISSION
    assert found.stopped_at is Layer.PERMISSION
    assert found.not_reached == (Layer.INTEGRITY, Layer.POSTURE, Layer.PREFIX)
    assert [one.id for one in found.checks] == ["address", "may_list", "may_create", "may_read", "may_delete"]
    assert [entry["action"] for entry in found.permissions()["missing"]] == ["s3:PutObject", "s3:DeleteObject"]
    assert found.counts() == {"passed": 2, "failed": 2, "warning": 0, "unknown": 1, "unsupported": 0}
    assert not found.fit


@pytest.mark.parametrize("verdict", [Verdict.WARNING, Verdict.UNKNOWN, Verdict.UNSUPPORTED, Verdict.PASSED])
def test_nothing_else_ends_it(verdict: Verdict) -> None:
    prober = Scripted({Layer.TLS: [look(check("tls", verdict, "x"))]})
    found = probe(prober)
    assert prober.asked == list(Layer)
    assert found.fit


def test_a_permission_that_is_not_known_does_not_count_as_given() -> None:
    found = probe(Scripted({Layer.PERMISSION: [fails("may_read")]}))
    assert found.stopped_at is None
    assert not found.fit
    assert found.checks[0].error_code == "throttled"
    assert probe(Scripted({Layer.POSTURE: [fails("versioning")]})).fit


def test_a_look_that_cannot_be_made() -> None:
    found = probe(Scripted({Layer.POSTURE: [fails("object_lock", "default_retention")]}))
    assert [(one.id, one.verdict, one.fix) for one in found.checks] == [
        ("object_lock", Verdict.UNKNOWN, "Later."),
        ("default_retention", Verdict.UNKNOWN, "Later."),
    ]
    found = probe(Scripted({Layer.POSTURE: [fails("ownership", code="unsupported_by_store")]}))
    assert found.checks[0].verdict is Verdict.UNSUPPORTED


@pytest.mark.parametrize("code", ["interrupted", "dependency_missing"])
def test_what_says_nothing_about_the_location_ends_the_task(code: str) -> None:
    with pytest.raises(StowageError) as caught:
        probe(Scripted({Layer.BUCKET: [fails("bucket", code=code)]}))
    assert caught.value.code == code


def test_looks_run_side_by_side_and_alone_ones_after_them() -> None:
    met = threading.Barrier(2, timeout=30)
    done: list[str] = []

    def together(name: str) -> Callable[[], list[Check]]:
        def run() -> list[Check]:
            met.wait()
            done.append(name)
            return [passed(name, "x")]

        return run

    def alone() -> list[Check]:
        assert sorted(done) == ["may_list", "may_read"]
        return [passed("upload", "x")]

    looks = [
        Look(("upload",), alone, alone=True),
        Look(("may_read",), together("may_read")),
        Look(("may_list",), together("may_list")),
    ]
    found = probe(Scripted({Layer.PERMISSION: looks}))
    assert [one.id for one in found.checks] == ["may_list", "may_read", "upload"]
    assert found.fit


def test_further_looks_of_a_layer() -> None:
    reached: list[Layer] = []

    def more(layer: Layer) -> list[Look]:
        reached.append(layer)
        return [look(warning("foreign_names", "x"))] if layer is Layer.PREFIX else []

    found = probe(Scripted(), more)
    assert reached == list(Layer)
    assert [one.id for one in found.checks] == ["foreign_names"]


# the catalogue


def test_the_catalogue_is_in_order_of_layers() -> None:
    places = [list(Layer).index(kind.layer) for kind in CATALOGUE.values()]
    assert places == sorted(places)
    assert set(places) == set(range(len(Layer)))


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_check_says_why_and_how_to_fix_it(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.why.endswith(".")
    assert kind.fix.endswith(".") or kind.fix.endswith("directory.")


def test_what_passed_needs_no_fix() -> None:
    assert passed("clock", "x").fix == ""
    assert unsupported("clock", "x").fix == ""
    assert warning("clock", "x").fix == CATALOGUE["clock"].fix
    assert unknown("clock", "x", fix="").fix == ""
    assert failed("may_list", "x", "permission_denied", action="a:B", resource="r").fix == "Allow a:B on r."
    error = StowageError("throttled", "m", "h")
    assert (of_error("clock", error).seen, of_error("clock", error).fix) == ("m", "h")
    assert of_error("clock", StowageError("throttled", "m")).fix == CATALOGUE["clock"].fix


def test_a_result_is_short_and_printable() -> None:
    shown = failed("clock", "a\x1b[31m" + "b" * 1000, "clock_skew").as_result()
    assert len(shown["seen"]) == 500
    assert "\x1b" not in shown["seen"]
    assert shown.keys() == {"id", "layer", "verdict", "seen", "why", "fix", "error_code"}
    assert shown["error_code"] in CODES


def test_an_empty_report() -> None:
    assert Report(()).permissions() == {"allowed": [], "missing": [], "unknown": []}


# leftovers


def test_old_uploads_of_probes_are_aborted_and_no_others() -> None:
    aim = Aim("c")
    now = MemoryLocation().now()
    old, young = now - STALE, now - STALE + datetime.timedelta(minutes=5)
    location = MemoryLocation()
    begun = {
        "old": PendingUpload(aim.upload_key, "old", old),
        "young": PendingUpload(aim.upload_key, "young", young),
        "other": PendingUpload(aim.upload_key + "-other", "other", old),
        "backup": PendingUpload("clusters/c/backups/b/b.tar.gz", "backup", old),
    }
    location.pending.update(begun)
    found = sweep(Scripted(location=location), aim)
    assert location.pending.keys() == {"young", "other", "backup"}
    assert [(one.id, one.verdict) for one in found] == [("leftovers", Verdict.WARNING)]
    assert [one.verdict for one in sweep(Scripted(location=location), aim)] == [Verdict.PASSED]
    assert sweep(Scripted(), aim) == []
