"""A comparison as JSON, JUnit XML and GitHub Markdown."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

from gengauge.gate.shown import HEADINGS, NUMERIC, Line, headline, lines, method
from gengauge.gate.verdict import Comparison, Outcome

# what XML 1.0 has no way to write, escaped or not
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SKIPPED = ("skipped", "new", "not gated")


def to_json(comparison: Comparison) -> str:
    """Return a JSON object with the verdict, its exit code and every outcome."""
    content = {
        "exit_code": comparison.exit_code, "passed": comparison.exit_code == 0,
        "baseline": comparison.baseline, "candidate": comparison.candidate,
        "alpha": comparison.alpha, "notes": comparison.notes,
        "failed_trials": [_outcome(o) for o in comparison.having("crashed")],
        "outcomes": [_outcome(o) for o in comparison.outcomes],
    }  # fmt: skip
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _outcome(o: Outcome) -> dict[str, Any]:
    loss = o.loss
    return {
        "id": str(o.key), **o.key._asdict(), "status": o.status, "fails": o.fails,
        "baseline": o.baseline.value if o.baseline and o.baseline.values else None,
        "candidate": o.candidate.value if o.candidate and o.candidate.values else None,
        "loss": loss.value if loss else None, "low": loss.low if loss else None,
        "high": loss.high if loss else None, "allowed": loss.allowed if loss else None,
        "tolerance": str(o.tolerance) if o.tolerance else None,
        "p": loss.p if loss else None, "p_adjusted": o.p,
        "method": loss.method if loss else None, "reason": o.reason or None,
    }  # fmt: skip


def to_junit(comparison: Comparison) -> bytes:
    """Return JUnit XML: a suite a testsuite, a cell a testcase ``model.dataset.metric``.

    A missed gate is a failure, a crash or an incomparable cell an error, what was not tested
    skipped.
    """
    root = ET.Element("testsuites", name="gengauge compare")
    suites: dict[str, list[Outcome]] = {}
    for o in comparison.outcomes:
        cell = o.baseline or o.candidate
        suites.setdefault(cell.suite if cell else "trials", []).append(o)
    for name, outcomes in suites.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(name))
        kinds = [_case(suite, o) for o in outcomes]
        counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        suite.attrib |= {"tests": str(len(kinds))}
        suite.attrib |= {k: str(kinds.count(v)) for k, v in counts.items()}
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ET.Element, o: Outcome) -> str:
    classname, name = f"{o.key.model}.{o.key.dataset}", str(o.key).rstrip(".")
    case = ET.SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name))
    kind = ""
    if o.status in ("crashed", "incomparable"):
        kind = "error"
    elif o.fails:
        kind = "failure"
    elif o.status in _SKIPPED:
        kind = "skipped"
    if kind:
        ET.SubElement(case, kind, message=_clean(_told(o)), type=o.status)
    return kind


def _told(o: Outcome) -> str:
    if o.loss is None:
        return o.reason or o.status
    parts = [f"lost {o.loss.value:.4g}, may lose {o.loss.allowed:.4g}"]
    if o.loss.low is not None:
        parts.append(f"95 % interval {o.loss.low:.4g} to {o.loss.high:.4g}")
    parts += [f"adjusted p {o.p:.3g}"] if o.p is not None else []
    return "; ".join([*parts, o.loss.method, *filter(None, [o.reason])])


def _clean(text: str) -> str:
    return _NO_XML.sub("�", text)


def to_markdown(comparison: Comparison) -> str:
    """Return GitHub Markdown: the verdict, what is worth a look, the rest folded away."""
    mark = "✅" if comparison.exit_code == 0 else "❌"
    notable, every = lines(comparison), lines(comparison, every=True)
    parts = [f"### {mark} {headline(comparison)}", ""]
    parts += [*_table(notable), ""] if notable else []
    quiet = [line for line in every if line not in notable and line.status == "ok"]
    if quiet:
        parts += [f"<details><summary>{len(quiet)} within tolerance</summary>", ""]
        parts += [*_table(quiet), "", "</details>", ""]
    parts += [f"> {_escaped(note)}\n" for note in comparison.notes]
    parts.append(f"<sub>{method(comparison)}</sub>")
    return "\n".join(parts) + "\n"


def _table(rows: list[Line]) -> list[str]:
    rule = ["---:" if h in NUMERIC else "---" for h in HEADINGS]
    body = [f"| {' | '.join(_cells(line))} |" for line in rows]
    return ["| " + " | ".join(HEADINGS) + " |", "|" + "|".join(rule) + "|", *body]


def _cells(line: Line) -> list[str]:
    *cells, verdict = map(_escaped, line.cells)
    verdict = f"**{verdict}**" if line.fails else verdict
    return [*cells, f"{verdict}: {_escaped(line.reason)}" if line.reason else verdict]


def _escaped(text: str) -> str:
    """Return ``text`` as Markdown shows it, markup of a hostile name included."""
    text = "".join(f"\\{c}" if c in "\\`*_{}[]|#" else c for c in _clean(text))
    text = text.replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return text.replace("@", "@\u200b")  # mentions nobody
