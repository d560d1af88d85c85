"""A bill of materials: every package that assay needs, with version and licence, as CycloneDX 1.6 JSON.

Read from the metadata of what is installed, beginning at assay and following what each package asks for here. What npm
brings into the wheel is listed as well, with the digests of its files. For a release:

    python tools/sbom.py --output assay.cdx.json
    python tools/sbom.py --extra torch,serve       # with what these extras need as well

May import: the standard library; packaging, which pip brings.
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NPM = ("src/assay/web/assets.json", "src/assay/engines/web/assets.json")
IN_WHEEL = ("pages", "runtime")
"""What npm's packages are for, of those that wheels hold; others are for tests."""
NAME = "assay"


def main() -> int:
    """Write the bill; return 1 where a package that is needed is not installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", default="", help="extras of assay, by commas")
    parser.add_argument("--output", type=Path, help="a file; without one it is printed")
    chosen = parser.parse_args()
    bill, missing = make_bill(tuple(filter(None, chosen.extra.split(","))))
    text = json.dumps(bill, indent=2, ensure_ascii=False) + "\n"
    if chosen.output is None:
        sys.stdout.write(text)
    else:
        chosen.output.write_text(text, encoding="utf-8")
        print(f"{len(bill['components'])} components in {chosen.output}")
    for name in missing:
        print(f"not installed: {name}", file=sys.stderr)
    return 1 if missing else 0


def make_bill(extras: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """Return the bill, and the names of packages that are needed and not installed."""
    found, edges, missing = walk(extras)
    root = importlib.metadata.distribution(NAME)
    components = [component_of(one) for name, one in sorted(found.items()) if name != NAME] + list(npm_components())
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": component_of(root) | {"type": "application"},
        },
        "components": components,
        "dependencies": [
            {"ref": reference(found[name]), "dependsOn": sorted(reference(found[one]) for one in needed)}
            for name, needed in sorted(edges.items())
        ],
    }
    return bill, missing


def walk(extras: tuple[str, ...]) -> tuple[dict[str, importlib.metadata.Distribution], dict[str, set[str]], list[str]]:
    """Return packages by name, what each needs, and what is not installed; beginning at assay with ``extras``."""
    found: dict[str, importlib.metadata.Distribution] = {}
    edges: dict[str, set[str]] = {}
    missing: list[str] = []
    waiting: list[tuple[str, tuple[str, ...]]] = [(NAME, extras)]
    done: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in done:
            continue
        done.add((name, wanted))
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        needed = edges.setdefault(name, set())
        for text in found[name].requires or ():
            one = Requirement(text)
            if one.marker is not None and not any(one.marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                continue
            inner = canonicalize_name(one.name)
            waiting.append((inner, tuple(sorted(one.extras))))
            if inner != name:
                needed.add(inner)
    edges = {name: {one for one in needed if one in found} for name, needed in edges.items()}
    return found, edges, sorted(set(missing))


def component_of(package: importlib.metadata.Distribution) -> dict[str, Any]:
    """Describe one installed package."""
    metadata = package.metadata.json
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package.metadata["Name"],
        "version": package.version,
        "purl": reference(package),
    }
    licence = metadata.get("license_expression")
    if licence:
        component["licenses"] = [{"expression": licence}]
    else:
        known = [text.rpartition(" :: ")[2] for text in metadata.get("classifier", ()) if "License ::" in text]
        name = known[0] if known else str(metadata.get("license") or "").strip().partition("\n")[0][:80]
        component |= {"licenses": [{"license": {"name": name}}]} if name else {}
    if metadata.get("summary"):
        component["description"] = metadata["summary"]
    return component


def reference(package: importlib.metadata.Distribution) -> str:
    """Return the package URL: ``pkg:pypi/numpy@2.4.6``."""
    return f"pkg:pypi/{canonicalize_name(package.metadata['Name'])}@{package.version.replace('+', '%2B')}"


def npm_components() -> Iterator[dict[str, Any]]:
    """What npm brings into the wheel: packages by name, version and licence, their files with digests."""
    for file in NPM:
        for package in json.loads((ROOT / file).read_text(encoding="utf-8"))["packages"]:
            if package["use"] not in IN_WHEEL:
                continue
            purl = f"pkg:npm/{package['name'].replace('@', '%40')}@{package['version']}"
            yield {
                "type": "library",
                "bom-ref": purl,
                "name": package["name"],
                "version": package["version"],
                "purl": purl,
                "licenses": [{"license": {"id": package["licence"]}}],
                "components": [
                    {"type": "file", "name": one["target"], "hashes": [{"alg": "SHA-512", "content": hexadecimal(one)}]}
                    for one in package["files"]
                ],
            }


def hexadecimal(file: dict[str, str]) -> str:
    """Return a file's digest as CycloneDX writes it; manifests have it in base 64, as npm does."""
    return base64.b64decode(file["sha512"].removeprefix("sha512-")).hex()


if __name__ == "__main__":
    raise SystemExit(main())
