"""The bill of materials names the licence of what is shipped; ours are permissive, with the exceptions listed here."""

from __future__ import annotations

import json
import re
import sys
from email.message import Message
from pathlib import Path

import pytest

from elt.ci.tools import add_licences, export, licence_of, licences
from foundation.settings import ROOT

PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|Zope|ZPL|0BSD|CC0|HPND|BlueOak",
    re.I,
)
# used as libraries or programs next to ours, unchanged
EXCEPTIONS = {
    "psycopg": "LGPL",
    "psycopg-binary": "LGPL",
    "psycopg2-binary": "LGPL",
    "text-unidecode": "Artistic",
}


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    """What the stack's lock ships, with the licences of this environment."""
    path = tmp_path_factory.mktemp("sbom") / "stack.cdx.json"
    export(ROOT, "cyclonedx1.5", path)
    found = json.loads(path.read_text())["components"]
    add_licences(found, licences(Path(sys.prefix)))
    return {each["name"]: each.get("licenses", [{}])[0].get("license", {}).get("name") for each in found}


def test_what_is_installed_and_shipped_has_its_licence(components):
    assert components["duckdb"] and components["fastapi"] == "MIT"
    known = [name for name, licence in components.items() if licence]
    assert len(known) > 0.85 * len(components)  # not all of a deployment is installed on one machine


def test_a_licence_is_permissive_or_a_known_exception(components):
    others = {
        name: licence
        for name, licence in components.items()
        if licence and not PERMISSIVE.search(licence) and EXCEPTIONS.get(name, "-") not in licence
    }
    assert others == {}


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "other")], "MIT OR Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: BSD License"), ("License", "text")], "BSD License"),
        ([("Classifier", "License :: OSI Approved"), ("License", "ISC\nmore")], "ISC"),
        ([("License", "")], None),
    ],
)
def test_a_package_says_its_licence_in_one_of_three_places(fields, licence):
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert licence_of(metadata) == licence
