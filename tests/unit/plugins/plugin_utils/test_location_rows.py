# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reports about locations come down to, and the table of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._location_rows import summarize, table

KEYS = {"verdict", "address", "provider", "fit", "failed", "warnings", "unknown", "findings", "more_findings"}


def check(name: str, verdict: str, layer: str = "permission", error_code: str = "", **more: str) -> dict[str, str]:
    """A check as the module returns it."""
    texts = {"seen": f"{name} was seen.", "why": "It matters.", "fix": f"Mend {name}."}
    return {"id": name, "layer": layer, "verdict": verdict, "error_code": error_code, **texts, **more}


def report(
    *checks: dict[str, str], fit: bool = True, address: str = "s3://acme/fleet", endpoint: str = ""
) -> dict[str, Any]:
    """What a task registers."""
    verdicts = ("passed", "failed", "warning", "unknown", "unsupported")
    counts = {verdict: sum(one["verdict"] == verdict for one in checks) for verdict in verdicts}
    location = {
        "address": address,
        "endpoint": endpoint,
        "provider": "minio",
        "fit": fit,
        "counts": counts,
        "checks": list(checks),
    }
    return {"changed": False, "failed": False, "location": location}


def test_stores_with_buckets_of_one_name_are_told_apart() -> None:
    found = summarize(report(endpoint="https://minio.example.com:9000"))
    assert found["address"] == "s3://acme/fleet at https://minio.example.com:9000"


def test_a_fit_location_has_no_finding() -> None:
    assert summarize(report(check("tls", "passed"), check("tags", "unsupported"))) == {
        "verdict": "passed",
        "address": "s3://acme/fleet",
        "provider": "minio",
        "fit": True,
        "failed": 0,
        "warnings": 0,
        "unknown": 0,
        "findings": [],
        "more_findings": 0,
    }


@pytest.mark.parametrize(
    ("checks", "fit", "verdict", "findings"),
    [
        ([check("a", "warning"), check("b", "failed", error_code="x"), check("c", "failed")], False, "failed", "bc"),
        ([check("a", "warning"), check("b", "unknown")], False, "failed", "b"),
        ([check("a", "unknown", "posture"), check("b", "warning"), check("c", "warning")], True, "warning", "bc"),
        ([check("a", "unknown", "posture")], True, "passed", ""),
    ],
)
def test_the_worst_findings_are_told(checks: list[dict[str, str]], fit: bool, verdict: str, findings: str) -> None:
    found = summarize(report(*checks, fit=fit))
    codes = {one["id"]: one["error_code"] for one in checks}
    assert found["verdict"] == verdict
    assert found["findings"] == [
        {"finding": f"{one}: {one} was seen.", "fix": f"Mend {one}.", "error_code": codes[one]} for one in findings
    ]


def test_of_many_findings_the_first_are_told() -> None:
    found = summarize(report(*[check(f"c{number}", "failed") for number in range(13)], fit=False))
    assert (len(found["findings"]), found["more_findings"]) == (10, 3)
    assert table({"primary": found})[-1] == "  And 3 more."


def test_a_task_that_failed_by_our_hand_says_why() -> None:
    found = summarize({"failed": False, "error_code": "invalid_option", "msg": "No.", "hint": "Do."})
    assert found.keys() == KEYS
    assert (found["verdict"], found["fit"]) == ("error", False)
    assert found["findings"] == [{"finding": "invalid_option: No.", "fix": "Do.", "error_code": "invalid_option"}]


@pytest.mark.parametrize("more", [{}, {"unreachable": True}])
def test_a_message_that_is_not_ours_is_not_repeated(more: dict[str, Any]) -> None:
    found = summarize({"failed": True, "msg": "Error while resolving: canary", "exception": "canary", **more})
    assert found.keys() == KEYS
    assert found["verdict"] == "error"
    assert "canary" not in str(found)
    assert found["findings"][0]["finding"]
    assert found["findings"][0]["fix"]


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(TypeError, match="registered result"):
        summarize("text")


def test_long_texts_are_cut() -> None:
    (found,) = summarize(report(check("a", "failed", seen="x" * 500, fix="y" * 500), fit=False))["findings"]
    assert len(found["finding"]) == len(found["fix"]) == 250
    assert found["finding"].endswith("...")


def test_the_table() -> None:
    good = summarize(report())
    missing = [check("may_read", "failed"), check("may_delete", "failed"), check("versioning", "warning")]
    bad = summarize(report(*missing, fit=False, address="s3://a-very-long-bucket-name-indeed/fleet/of/many"))
    warned = summarize(report(check("versioning", "warning"), check("lifecycle", "warning")))
    lost = {**summarize({"error_code": "invalid_option", "msg": "No such location."}), "location": "nowhere"}
    lines = table({"primary": good, "second": bad, "third": warned}, {"prod-1": lost})
    assert lines == [
        "LOCATION  PROVIDER  FIT  FAIL  WARN  ADDRESS",
        "primary   minio     yes  0     0     s3://acme/fleet",
        "second    minio     NO   2     1",
        "  s3://a-very-long-bucket-name-indeed/fleet/of/many",
        "  may_read: may_read was seen.",
        "  Fix: Mend may_read.",
        "  may_delete: may_delete was seen.",
        "  Fix: Mend may_delete.",
        "third     minio     yes  0     2     s3://acme/fleet",
        "  versioning: versioning was seen.",
        "  Fix: Mend versioning.",
        "  lifecycle: lifecycle was seen.",
        "  Fix: Mend lifecycle.",
        "",
        "CLUSTER  LOCATION  PROVIDER  FIT  FAIL  WARN  ADDRESS",
        "prod-1   nowhere   -         NO   -     -     -",
        "  invalid_option: No such location.",
    ]


@pytest.mark.parametrize("width", [69, 120])
def test_no_line_is_longer_than_wanted(width: int) -> None:
    one = summarize(
        report(
            check("a", "failed", seen="word " * 99, fix="b" * 300), fit=False, address=f"file:///{'directory/' * 30}"
        )
    )
    lines = table({"n" * 60: one, "short": one}, {"h" * 10: {**one, "location": "n" * 12}}, width)
    assert max(map(len, lines)) <= width
    assert "".join(line.strip() for line in lines).count("directory/") == 90
    assert any(line.startswith("n" * 21 + "...") for line in lines)


def test_nothing_is_no_table() -> None:
    assert table({}) == []
    assert table({}, {"prod-1": {**summarize(report()), "location": "primary"}})[0].startswith("CLUSTER")
