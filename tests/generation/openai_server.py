"""A server on loopback that speaks the image API of OpenAI, for the real client.

What goes over the wire is read from openai 3.57: `images.edit` in resources/images.py (multipart, `image[]` a
picture), types/images_response.py for the answer, `_make_status_error` in _client.py and _exceptions.py for
errors. The body of a moderation error is that of openai/codex issue 40816 and others of its kind.
"""

from __future__ import annotations

import base64
import email
import email.policy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from tests.loopback import Answer, Body, LoopbackServer

KEY = "sk-secret-key-0123456789"


@dataclass(frozen=True)
class Call:
    """One request that reached the server."""

    path: str
    key: str
    fields: Mapping[str, str]
    files: list[tuple[str, str, bytes]]
    """Of each: the field's name, the MIME type, the content."""

    @property
    def pictures(self) -> list[Image.Image]:
        return [Image.open(BytesIO(data)) for name, _mime, data in self.files if name == "image[]"]

    @property
    def mask(self) -> Image.Image | None:
        found = [data for name, _mime, data in self.files if name == "mask"]
        return Image.open(BytesIO(found[0])) if found else None


Behaviour = Callable[[Call], Answer]


class OpenAIServer(LoopbackServer[Call]):
    """Paints, unless it is told otherwise."""

    def parsed(self, headers: Mapping[str, str], raw: bytes) -> Body:
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + raw, policy=email.policy.HTTP)
        return {"parts": list(message.iter_parts()) if message.is_multipart() else []}

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Call:
        fields: dict[str, str] = {}
        files: list[tuple[str, str, bytes]] = []
        for part in body.get("parts", []):
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if part.get_filename():
                files.append((name, part.get_content_type(), content))
            else:
                fields[name] = content.decode()
        return Call(path, headers.get("Authorization", "").removeprefix("Bearer "), fields, files)

    def well(self, call: Call) -> Answer:
        return painted(call)

    def complaint(self, call: Call) -> Answer | None:
        """What the real API refuses whatever the script says: another path, another key."""
        if call.path != "/v1/images/edits":
            return failing(404, "unknown_url", f"Unknown request URL: POST {call.path}.")(call)
        if call.key != KEY:
            return failing(401, "invalid_api_key", "Incorrect API key provided: sk-wron*******ey.")(call)
        return None


# --- What it can be told to do -------------------------------------------------------------------


def painted(call: Call) -> Answer:
    """One picture of the mean colour of what came in, with what it took in tokens."""
    usage = {
        "input_tokens": 1_020,
        "input_tokens_details": {"image_tokens": 1_000, "text_tokens": 20},
        "output_tokens": 1_756,
        "total_tokens": 2_776,
    }
    return Answer(200, {**_body(call, base64.b64encode(mixed(call)).decode()), "usage": usage})


def uncounted(call: Call) -> Answer:
    """A picture without a word on tokens."""
    return Answer(200, _body(call, base64.b64encode(mixed(call)).decode()))


def pictureless(call: Call) -> Answer:
    return Answer(200, {"created": 1, "data": []})


def damaged_picture(call: Call) -> Answer:
    """A picture that ends too early."""
    return Answer(200, _body(call, base64.b64encode(mixed(call)[:60]).decode()))


def damaged_base64(call: Call) -> Answer:
    return Answer(200, _body(call, "%% no base64 %%"))


def other_page(call: Call) -> Answer:
    """What a proxy's sign-in page looks like to the client."""
    return Answer(200, b"<html><title>Sign in</title></html>")


def hung_up(call: Call) -> Answer:
    return Answer(200, None)


def slow(seconds: float) -> Behaviour:
    return lambda call: Answer(200, painted(call).body, delay=seconds)


def moderated(stage: str, category: str) -> Behaviour:
    """Stopped on the way in or out; the client's BadRequestError."""
    error: Body = {
        "message": (
            "Your request was rejected by the safety system. If you believe this is an error, contact us at "
            f"help.openai.com and include the request ID 1. safety_violations=[{category}]."
        ),
        "type": "image_generation_user_error",
        "param": None,
        "code": "moderation_blocked",
        "moderation_details": {"moderation_stage": stage, "categories": [category]},
    }
    return lambda call: Answer(400, {"error": error})


def failing(code: int, error_code: str | None, message: str, **headers: str) -> Behaviour:
    """An error in the shape that the client's APIStatusError reads."""
    error: dict[str, Any] = {"message": message, "type": "error", "param": None, "code": error_code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda call: Answer(code, {"error": error}, headers=named)


# --- Parts of an answer --------------------------------------------------------------------------


def mixed(call: Call) -> bytes:
    """A picture whose colour is the mean of the inputs', so that a test sees that they arrived."""
    colours = [picture.convert("RGB").resize((1, 1)).getpixel((0, 0)) for picture in call.pictures]
    mean = tuple(sum(values) // len(colours) for values in zip(*colours, strict=True))
    content = BytesIO()
    Image.new("RGB", (256, 256), mean).save(content, "PNG")
    return content.getvalue()


def _body(call: Call, picture: str) -> Body:
    return {
        "created": 1_764_000_000,
        "data": [{"b64_json": picture}],
        "size": call.fields["size"],
        "quality": call.fields["quality"],
        "background": "opaque",
        "output_format": "png",
    }
