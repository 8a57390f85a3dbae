"""An example for every operation of the API's description, made from its own schemas with words of the trade.

One by hand for each of some two hundred bodies would be wrong a month later; these follow the serializers.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

Schema = dict[str, Any]

JSON = "application/json"
PROBLEM = "application/problem+json"
ASSET = "0199f2c4-7d1e-7cc3-9a51-6f2b8e0d4a17"
SITE = "https://dam.example.com"
DEEPEST = 6
# By the name of the property; where a schema does not take the word, its kind of value decides.
WORDS: dict[str, Any] = {
    "action": "asset.approved",
    "accessories": "tag:summer",
    "actor": "ada",
    "add_tags": "summer",
    "after": "",
    "alt_text": "A red linen dress on a hanger",
    "alt_text_zh": "挂在衣架上的红色亚麻连衣裙",
    "amount": "12.40",
    "also": "gown",
    "as_of": "2026-06-01",
    "aspect": "portrait",
    "assigned_by": "ada",
    "assignee": "cleo",
    "author": "cleo",
    "background": "#ffffff",
    "barcode": "4006381333931",
    "budget": "20.00",
    "changes": {"title": "Red linen dress"},
    "code": "DRESS-1042-RED",
    "colour": "red",
    "created_by": "ada",
    "credit": "Photo: Cleo Lin",
    "currency": "USD",
    "cursor": "",
    "default": "white background",
    "degraded": "",
    "description": "Knee-length, with a belt.",
    "description_zh": "及膝，配腰带。",
    "empty_because": "",
    "encoder": "starter",
    "family": "red",
    "field": "title",
    "file": "dress.jpg",
    "file_name": "dress.jpg",
    "garments": "tag:summer",
    "generator": "Atelier",
    "hex": "#c8102e",
    "instruction": "in the evening sun",
    "key": "outfit",
    "label": "Summer",
    "label_zh": "夏季",
    "last_error": "",
    "left_out": "",
    "leg": "cosine",
    "licence": "Own production",
    "location": "spring.zip",
    "message_id": "msg_2hQ7b9",
    "mime": "image/jpeg",
    "model": "gemini-3.1-flash-image",
    "models": "tag:faces",
    "name": "Look book, summer",
    "name_zh": "夏季画册",
    "negative": "text, watermark",
    "negative_zh": "文字，水印",
    "note": "The belt is missing.",
    "owner": "cleo",
    "parent": "DRESS-1042",
    "password": "a long pass phrase",
    "preset": "web",
    "problem": "",
    "prompt": "A woman wears the red linen dress.",
    "provider": "board",
    "q": "red linen dress",
    "query": "kind=garment&tag=summer",
    "reason": "The picture shows no garment.",
    "remove_tags": "winter",
    "rights_holder": "Atelier Ltd",
    "s3": "s3://photos/spring/",
    "scenes": "tag:beach",
    "secret": "whsec_c2VjcmV0",
    "sentence": "Dress Ada in every red dress on the beach.",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sku": "DRESS-1042-RED",
    "skus": "DRESS-1042-RED",
    "slug": "summer",
    "source": "encoder",
    "space": "starter",
    "synonyms": "summertime",
    "tag": "summer",
    "tags": "summer",
    "target": "Red dress",
    "task": "Crop it to 4:5.",
    "template": "outfit",
    "territories": "DE",
    "text": "Ready for the shop.",
    "thumbnail": f"{SITE}/assets/{ASSET}/renditions/thumbnail",
    "title": "Red dress",
    "title_zh": "红色连衣裙",
    "type": "about:blank",
    "url": "https://shop.example.com/hooks/atelier",
    "value": "ss26",
    "web": f"{SITE}/assets/{ASSET}/renditions/web",
    "word": "dress",
}
NUMBERS = {"width": 1600, "height": 2000, "size": 482_113, "score": 0.83, "limit": 48, "status": 200}
FORMATS = {
    "uuid": ASSET,
    "date-time": "2026-06-01T09:30:00Z",
    "date": "2026-06-01",
    "uri": f"{SITE}/api/v1/assets/?cursor=cD00OA%3D%3D",
    "decimal": "12.40",
    "email": "ada@example.com",
    "binary": "(the file)",
}
DETAILS = {
    400: "The request has errors; see “errors”.",
    401: "Authentication credentials were not provided.",
    403: "You do not have permission to perform this action.",
    404: "Not found.",
    409: "Others would lose something by it; nothing was done.",
    412: "Send the header “Tus-Resumable: 1.0.0”.",
    413: "The file is larger than 100 MB.",
    415: "Unsupported media type in request.",
    422: "Nothing can be made of this order.",
    429: "Request was throttled. Expected available in 12 seconds.",
}


def add_examples(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular: each body of JSON, and each form, gets an example that fits its schema."""
    maker = Maker(result.get("components", {}).get("schemas", {}))
    for operations in result["paths"].values():
        for operation in operations.values():
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                if "schema" in content and kind != "application/offset+octet-stream":
                    content.setdefault("example", maker.of(content["schema"]))
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if JSON in content:
                    content[JSON].setdefault("example", maker.of(content[JSON]["schema"]))
                if PROBLEM in content:
                    content[PROBLEM].setdefault("example", problem(int(status)))
    return result


def problem(status: int) -> dict[str, Any]:
    """A problem document as the API answers it."""
    known = {one.value: one.phrase for one in HTTPStatus}
    document = {
        "type": "about:blank",
        "title": known.get(status, ""),
        "status": status,
        "detail": DETAILS.get(status, "What is wrong, and what to do."),
    }
    if status == HTTPStatus.BAD_REQUEST:
        document |= {"code": "invalid", "errors": {"name": ["This field may not be blank."]}}
    return document


class Maker:
    """Makes values that fit schemas."""

    def __init__(self, components: dict[str, Schema]) -> None:
        self.components = components

    def of(self, schema: Schema, name: str = "", depth: int = 0) -> Any:
        """A value that fits; `name` is that of the property which holds it."""
        schema = self._plain(schema)
        kind = schema.get("type")
        kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
        if "example" in schema:
            return schema["example"]
        if "enum" in schema:
            return next((choice for choice in schema["enum"] if choice not in ("", None)), schema["enum"][0])
        if kind == "object" or "properties" in schema:
            return self._object(schema, depth)
        if kind == "array":
            item = self.of(schema.get("items", {}), name, depth + 1)
            return [item] * max(1, schema.get("minItems", 1)) if depth < DEEPEST else []
        if kind in ("integer", "number"):
            return self._number(schema, name, kind)
        if kind == "boolean":
            return bool(schema.get("default", False))
        if kind == "null":
            return None
        return self._text(schema, name) if kind == "string" else WORDS.get(name, "Red dress")

    def _plain(self, schema: Schema) -> Schema:
        """Without references and alternatives: the first that says something."""
        while True:
            if "$ref" in schema:
                schema = self.components[schema["$ref"].rpartition("/")[2]]
            elif choices := schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf"):
                schema = choices[0]
            else:
                return schema

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        told = [name for name in properties if name in required or (depth < DEEPEST and _is_told(name))]
        found = {name: self.of(properties[name], name, depth + 1) for name in told or list(properties)[:3]}
        others = schema.get("additionalProperties")
        if not properties and isinstance(others, dict) and others:
            found["example"] = self.of(others, "", depth + 1)
        return found

    @staticmethod
    def _number(schema: Schema, name: str, kind: str) -> float:
        value = NUMBERS.get(name, schema.get("default") or 1)
        value = min(max(value, schema.get("minimum", value)), schema.get("maximum", value))
        return int(value) if kind == "integer" else value

    @staticmethod
    def _text(schema: Schema, name: str) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        word = str(WORDS.get(name, schema.get("default") or "summer"))
        return word[: schema.get("maxLength", len(word))]


def _is_told(name: str) -> bool:
    """Whether an example shows a property that need not be there."""
    return name in WORDS
