# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp_trials
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_trials import Place, Proof, Samples
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, prove


class Clock:
    """Time that stands still."""

    def now(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        raise AssertionError(f"nothing changes here within {seconds} s")


class Stranger:
    """Somebody who is refused everything."""

    def __init__(self, known: Answer) -> None:
        self._known = known

    def may(self, *_asked: str) -> Seen:
        return Seen(Answer.REFUSED, "Refused.")

    def known(self) -> Seen:
        return Seen(self._known, "A token, or none.")


@pytest.mark.parametrize(("known", "verdict"), [(Answer.ALLOWED, "passed"), (Answer.UNDECIDED, "unknown")])
def test_a_refusal_counts_only_for_who_is_somebody(known: Answer, verdict: str) -> None:
    proof = Proof()
    place, samples = Place("", "clusters/a/"), Samples(("clusters/a/backups/b/b.tar.gz",))
    gcp_trials.prove_strangers(proof, place, {"x": t.cast("t.Any", Stranger(known))}, samples)
    assert {line.verdict for line in prove(proof.trials, Clock(), patience=0)} == {verdict}
