"""A schedule as somebody else's: units of systemd, a workflow of GitHub, a CronJob of Kubernetes. assay keeps no clock.

Nothing is installed; the text is printed. What goes into a template is quoted for the language that it goes into. May
import: core, fleet.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from assay.core.errors import UnknownNameError, UsageError

KINDS = ("systemd", "github", "k8s")
_EVERY = re.compile(r"(\d+)\s*(m|min|h|d|w)")
_WORDS = {"hourly": (60, "0 * * * *"), "daily": (1440, "0 3 * * *"), "weekly": (10080, "0 3 * * 1")}
_FIELDS = re.compile(r"[-0-9*/,A-Za-z]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
_CRON_FIELDS = 5
_UNITS_MIN = {"m": 1, "min": 1, "h": 60, "d": 1440, "w": 10080}
_HOUR_MIN, _DAY_MIN, _WEEK_MIN = 60, 1440, 10080


@dataclass(frozen=True, slots=True)
class Every:
    """How often: the five fields of cron, and systemd's calendar words."""

    cron: str
    calendar: str


def read_every(text: str) -> Every:
    """Read ``15m``, ``6h``, ``1d``, ``1w``, ``daily`` or five fields of cron in quotes. Raises UsageError.

    Cron can only say what divides an hour or a day; anything else would run at uneven times, so it is refused.
    """
    fields = text.split()
    if len(fields) == _CRON_FIELDS:
        if not all(_FIELDS.fullmatch(one) for one in fields):
            raise _no_time(text)
        return Every(" ".join(fields), _calendar_of_fields(fields))
    found = _EVERY.fullmatch(text.strip())
    if found is None and text not in _WORDS:
        raise _no_time(text)
    minutes = _WORDS[text][0] if found is None else int(found[1]) * _UNITS_MIN[found[2]]
    if minutes and _HOUR_MIN % minutes == 0:
        cron = "0 * * * *" if minutes == _HOUR_MIN else f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
        return Every(cron, "*-*-* *:00:00" if minutes == _HOUR_MIN else f"*-*-* *:0/{minutes}:00")
    hours = minutes // _HOUR_MIN
    if minutes and minutes % _HOUR_MIN == 0 and _DAY_MIN % minutes == 0 and minutes < _DAY_MIN:
        return Every(f"0 */{hours} * * *", f"*-*-* 0/{hours}:00:00")
    if minutes == _DAY_MIN:
        return Every("0 3 * * *", "*-*-* 03:00:00")
    if minutes == _WEEK_MIN:
        return Every("0 3 * * 1", "Mon *-*-* 03:00:00")
    raise _no_time(text)


def write_manifest(kind: str, every: Every, arguments: Sequence[str], *, name: str = "assay-fleet", image: str) -> str:
    """Return the manifest that runs ``assay fleet run ARGUMENTS``. Raises UnknownNameError, UsageError."""
    if kind not in KINDS:
        raise UnknownNameError("scheduler", kind, KINDS)
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name got {name!r}; expected small letters, digits and hyphens.", hint="--name nightly")
    if not arguments:
        raise UsageError(
            "There is nothing to run.", hint="assay fleet cron --every 1d -- standard --on ray://HOST:PORT"
        )
    words = ["assay", "fleet", "run", *arguments]
    if not all(word.isprintable() for word in [*words, image]):
        raise UsageError("An argument has a line break or another sign in it that cannot be printed.")
    if kind == "github" and any("${{" in word for word in words):
        raise UsageError("An argument has ${{ in it, which GitHub would take for an expression of its own.")
    template = Template((files("assay.fleet") / "templates" / f"{kind}.txt").read_text(encoding="utf-8"))
    return template.substitute(
        name=name,
        cron=every.cron,
        calendar=every.calendar,
        image=_quote(image),
        shell=_quote(shlex.join(words)),
        systemd=" ".join(_quote_for_systemd(word) for word in words),
        words=f"[{', '.join(map(_quote, words))}]",
    )


def _quote(word: str) -> str:
    """JSON's strings are YAML's too, but for its pairs of surrogates: other signs stay as they are."""
    return json.dumps(word, ensure_ascii=False)


def _quote_for_systemd(word: str) -> str:
    """systemd.service(5): % begins a specifier, $ a variable; quotes and backslashes are C's."""
    safe = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./${}-]+", safe):
        return safe
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _calendar_of_fields(fields: Sequence[str]) -> str:
    """Cron's five fields in systemd's words (systemd.time(7)); days of the week by name, as the numbers differ."""
    minute, hour, day, month, weekday = (one.replace("*/", "0/") if "*/" in one else one for one in fields)
    names = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    days = re.sub(r"\d", lambda found: names[int(found[0]) % len(names)], weekday).replace("-", "..")
    prefix = "" if weekday == "*" else f"{days} "
    ranged = [one.replace("-", "..") for one in (month, day, hour, minute)]
    start = [one.replace("0/", "1/") if one.startswith("0/") else one for one in ranged[:2]]
    return f"{prefix}*-{start[0]}-{start[1]} {ranged[2]}:{ranged[3]}:00"


def _no_time(text: str) -> UsageError:
    return UsageError(
        f"--every got {text!r}; expected 15m, 6h, 1d, 1w, hourly, daily, weekly or five fields of cron.",
        hint="Minutes must divide an hour and hours a day; --every '30 2 * * 1-5' says anything else.",
    )
