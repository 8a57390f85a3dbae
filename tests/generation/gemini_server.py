"""A server on loopback that speaks generateContent of the Gemini API, for the real client.

What goes over the wire is read from google-genai 3.4: the path `{version}/models/{model}:generateContent`
and the request's and answer's fields from google/genai/models.py and types.py, the key's header from
_api_client.py, the shape of errors from errors.py.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from tests.loopback import Answer, Body, LoopbackServer


@dataclass(frozen=True)
class Call:
    """One request that reached the server."""

    path: str
    key: str
    body: Body

    @property
    def model(self) -> str:
        found = re.fullmatch(r"/v1(?:beta)?/models/([^/:]+):generateContent", self.path)
        return found.group(1) if found else ""

    @property
    def texts(self) -> list[str]:
        return [part["text"] for part in self._parts if "text" in part]

    @property
    def pictures(self) -> list[Image.Image]:
        """The client writes bytes in the URL-safe alphabet, which JSON of protobuf admits."""
        return [
            Image.open(BytesIO(base64.urlsafe_b64decode(part["inlineData"]["data"])))
            for part in self._parts
            if "inlineData" in part
        ]

    @property
    def config(self) -> Body:
        return self.body.get("generationConfig", {})

    @property
    def _parts(self) -> list[Body]:
        return [part for content in self.body["contents"] for part in content["parts"]]


Behaviour = Callable[[Call], Answer]


class GeminiServer(LoopbackServer[Call]):
    """Paints, unless it is told otherwise."""

    json_type = "application/json; charset=UTF-8"

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Call:
        return Call(path, headers.get("x-goog-api-key", ""), body)

    def well(self, call: Call) -> Answer:
        return painted(call)

    def complaint(self, call: Call) -> Answer | None:
        return _complaint(call)


def _complaint(call: Call) -> Answer | None:
    """What the real API refuses whatever the script says: no key, another path, options of Vertex AI."""
    if not call.model:
        return failing(404, "NOT_FOUND", "Requested entity was not found.")(call)
    if not call.key:
        return failing(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")(call)
    unknown = set(call.config.get("imageConfig", {})) - {"aspectRatio", "imageSize"}
    if unknown:
        message = f'Invalid JSON payload received. Unknown name "{unknown.pop()}"'
        return failing(400, "INVALID_ARGUMENT", message)(call)
    return None


# --- What it can be told to do -------------------------------------------------------------------


def painted(call: Call) -> Answer:
    """Words, then one picture."""
    return Answer(200, answered(call, [{"text": "Here it is."}, picture_part(mixed(call))]))


def thinking(call: Call) -> Answer:
    """A draft marked as thought, then the signed picture: models that think send both (types.Part)."""
    draft = {**picture_part(_plain((0, 0, 0))), "thought": True}
    signed = {**picture_part(mixed(call)), "thoughtSignature": base64.b64encode(b"signature").decode()}
    parts = [{"text": "Let me see.", "thought": True}, draft, signed]
    usage = {
        "promptTokenCount": 600,
        "candidatesTokenCount": 1120,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
        "thoughtsTokenCount": 200,
        "totalTokenCount": 1920,
    }
    return Answer(200, {**answered(call, parts), "usageMetadata": usage})


def several(call: Call) -> Answer:
    """Two finished pictures though one was asked for."""
    parts = [picture_part(mixed(call)), {"text": "And another:"}, picture_part(_plain((0, 0, 0)))]
    return Answer(200, answered(call, parts))


def uncounted(call: Call) -> Answer:
    """A picture without a word on tokens."""
    body = answered(call, [picture_part(mixed(call))])
    return Answer(200, {name: value for name, value in body.items() if name != "usageMetadata"})


def words_only(call: Call) -> Answer:
    """The model talks instead of drawing."""
    usage = {"promptTokenCount": 600, "candidatesTokenCount": 40, "totalTokenCount": 640}
    text = [{"text": "I would rather describe it."}]
    return Answer(200, {**answered(call, text), "usageMetadata": usage})


def blocked_prompt(call: Call) -> Answer:
    """types.GenerateContentResponsePromptFeedback: no candidates were generated."""
    return Answer(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})


def finished_with(reason: str) -> Behaviour:
    """types.Candidate without parts, with a `finishReason`."""
    candidate: Body = {"content": {"role": "model"}, "finishReason": reason, "index": 0}
    usage = {"promptTokenCount": 600, "totalTokenCount": 600}
    return lambda call: Answer(200, {"candidates": [candidate], "usageMetadata": usage})


def no_candidates(call: Call) -> Answer:
    return Answer(200, {"candidates": []})


def damaged_picture(call: Call) -> Answer:
    """A picture that ends too early."""
    return Answer(200, answered(call, [picture_part(mixed(call)[:60])]))


def damaged_base64(call: Call) -> Answer:
    part = {"inlineData": {"mimeType": "image/png", "data": "%% no base64 %%"}}
    return Answer(200, answered(call, [part]))


def other_page(call: Call) -> Answer:
    """What a proxy's sign-in page looks like to the client."""
    return Answer(200, b"<html><title>Sign in</title></html>")


def hung_up(call: Call) -> Answer:
    return Answer(200, None)


def failing(code: int, status: str, message: str, details: list[Body] | None = None) -> Behaviour:
    """An error in the shape of google.rpc.Status, as errors.APIError reads it."""
    error = {"code": code, "status": status, "message": message, "details": details or []}
    return lambda call: Answer(code, {"error": error})


def exhausted(seconds: str, message: str = "You exceeded your current quota.") -> Behaviour:
    """429 with the wait that the API asks for, in google.rpc.RetryInfo."""
    quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []}
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": seconds}
    return failing(429, "RESOURCE_EXHAUSTED", message, [quota, info])


def throttled_by_proxy(seconds: int) -> Behaviour:
    """429 in a proxy's own words, with the header Retry-After."""
    headers = {"Retry-After": str(seconds)}
    return lambda call: Answer(429, {"error": "slow down"}, headers=headers)


def slow(seconds: float) -> Behaviour:
    return lambda call: Answer(200, painted(call).body, delay=seconds)


# --- Parts of an answer --------------------------------------------------------------------------


def mixed(call: Call) -> bytes:
    """A picture whose colour is the mean of the inputs', so that a test sees that they arrived."""
    colours = [picture.convert("RGB").resize((1, 1)).getpixel((0, 0)) for picture in call.pictures]
    if not colours:
        return _plain((128, 128, 128))
    return _plain(tuple(sum(values) // len(colours) for values in zip(*colours, strict=True)))


def picture_part(data: bytes) -> Body:
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}}


def answered(call: Call, parts: list[Body], reason: str = "STOP") -> Body:
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 600, "candidatesTokenCount": 1120, "totalTokenCount": 1720},
        "modelVersion": call.model,
        "responseId": "answer-1",
    }


def _plain(colour: tuple[int, ...]) -> bytes:
    content = BytesIO()
    Image.new("RGB", (256, 256), colour).save(content, "PNG")
    return content.getvalue()
