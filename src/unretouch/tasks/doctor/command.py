"""`unretouch doctor`: what this computer offers, and what to do about what is missing."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Sequence

from unretouch.base.errors import ExitCode
from unretouch.settings.commands import DoctorSettings
from unretouch.tasks.doctor import Finding, examine

SCHEMA = 1
"""Of the JSON; raised when a reader would have to change."""

_SIGNS = {"ok": "ok", "note": "note", "trouble": "TROUBLE"}
_COLOURS = {"ok": "green", "note": "yellow", "trouble": "bold red"}


def main(settings: DoctorSettings) -> int:
    """Examine. Returns 0 where a run can start, else the exit code it would end with."""
    found = examine(settings.checkpoints_dir, not settings.no_speed)
    if settings.json:
        findings = list(found)
        print(json.dumps(record(findings), indent=1, ensure_ascii=False))
    elif sys.stdout.isatty() and importlib.util.find_spec("rich"):
        findings = list(found)
        _show_table(findings)
    else:
        findings = []
        for finding in found:
            findings.append(finding)
            print(line(finding), flush=True)
    return verdict(findings)


def verdict(findings: Sequence[Finding]) -> ExitCode:
    """Return the exit code of the first trouble, or OK."""
    return next((f.exit_code for f in findings if f.state == "trouble"), ExitCode.OK)


def line(finding: Finding) -> str:
    """Return a finding as plain text: one line, and one more for what to do."""
    text = f"{_SIGNS[finding.state]:<8}{finding.topic + ':':<16}{finding.value}"
    return f"{text}\n{'':<24}-> {finding.advice}" if finding.advice else text


def record(findings: Sequence[Finding]) -> dict[str, object]:
    """Return all findings as plain JSON values."""
    shown = [{**dataclasses.asdict(f), "exit_code": int(f.exit_code)} for f in findings]
    return {"schema": SCHEMA, "exit_code": int(verdict(findings)), "findings": shown}


def _show_table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "", "found", "what to do", title="unretouch doctor")
    for finding in findings:
        table.add_row(
            f"[{_COLOURS[finding.state]}]{_SIGNS[finding.state]}",
            escape(finding.topic), escape(finding.value), escape(finding.advice),
        )  # fmt: skip
    Console().print(table)
