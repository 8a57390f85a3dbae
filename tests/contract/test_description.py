"""The API's description: every operation has a name, a summary, its answers, and examples that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

JSON_KINDS = ("application/json", "application/problem+json")


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is sent and answered: where, of which kind, and its schema and example."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", kind, content
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            yield status, kind, content


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _label, operation in operations(described)]
    assert len(names) == len(set(names)) > 170
    assert [name for name in names if not name.isidentifier()] == []
    for label, operation in operations(described):
        assert 5 < len(operation["summary"]) <= 140, f"{label}: {operation['summary']}"
        for status, response in operation["responses"].items():
            assert response["description"], f"{label} does not say what its {status} means."


def test_every_operation_has_an_example_that_fits_its_schema(described: dict[str, Any]) -> None:
    shown = {}
    for label, operation in operations(described):
        for where, kind, content in bodies(operation):
            if "example" not in content:
                continue
            shown.setdefault(label, []).append(where)
            schema = {**content["schema"], "components": described["components"]}
            validator = Draft202012Validator(schema, format_checker=FormatChecker())
            problems = [
                f"{'/'.join(map(str, e.path))}: {e.message}"
                for e in validator.iter_errors(content["example"])
            ]
            assert not problems, f"{label}, {where}, {kind}: {problems[:3]}"
        missing = [
            where
            for where, kind, content in bodies(operation)
            if kind in JSON_KINDS and "example" not in content
        ]
        assert not missing, f"{label} has no example of {missing}."
    assert [label for label, _operation in operations(described) if label not in shown] == []


def test_every_default_is_a_value_that_is_taken(described: dict[str, Any]) -> None:
    for name, component in described["components"]["schemas"].items():
        for member, schema in component.get("properties", {}).items():
            if "default" in schema:
                validator = Draft202012Validator({**schema, "components": described["components"]})
                assert validator.is_valid(schema["default"]), f"{name}.{member}: {schema['default']!r}"


def test_examples_speak_of_the_trade(described: dict[str, Any]) -> None:
    create = described["paths"]["/api/v1/assets/"]["post"]
    sent = create["requestBody"]["content"]["multipart/form-data"]["example"]
    assert (sent["title"], sent["title_zh"], sent["tags"]) == ("Red dress", "红色连衣裙", ["summer"])
    refused = create["responses"]["400"]["content"]["application/problem+json"]["example"]
    assert refused["status"] == 400 and refused["errors"]


def test_its_pages_come_from_this_site_alone_and_have_no_script_of_their_own(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    named = re.findall(r'(?:src|href|data-schema)="([^"]*)"', page)
    assert "/api/schema/" in named and [address for address in named if not address.startswith("/")] == []
    files = [address.removeprefix("/static/") for address in named if address.startswith("/static/")]
    assert len(files) == 5 and all(finders.find(name) for name in files)
    assert "<style" not in page and "<script>" not in page
