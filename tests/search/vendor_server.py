"""A server on loopback that speaks the embedding APIs of three vendors, for their real clients.

What goes over the wire is read from the clients: openai 3.57 (types/chat, types/create_embedding_response.py,
_exceptions.py), dashscope 2.0 (embeddings/multimodal_embedding.py, common/utils.py), google-genai 3.4
(models.py, types.py, errors.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from tests.loopback import Answer, Body, LoopbackServer

KEY = "sk-secret-key-0123456789"
COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}


@dataclass(frozen=True)
class Call:
    """One request that reached the server."""

    method: str
    path: str
    key: str
    body: Body

    @property
    def what(self) -> str:
        """Which of the APIs' operations it is."""
        for ending, name in (
            ("/chat/completions", "describe"),
            ("/embeddings", "openai"),
            ("/multimodal-embedding", "dashscope"),
            (":batchEmbedContents", "gemini"),
        ):
            if self.path.partition("?")[0].endswith(ending):
                return name
        return "other"

    @property
    def items(self) -> list[str | Image.Image]:
        """The texts and pictures that are to be encoded, in order."""
        if self.what == "describe":
            return [_picture(part["image_url"]["url"]) for part in self.body["messages"][0]["content"][1:]]
        if self.what == "openai":
            return list(self.body["input"])
        if self.what == "dashscope":
            contents = self.body["input"]["contents"]
            return [_picture(one["image"]) if "image" in one else one["text"] for one in contents]
        parts = [request["content"]["parts"] for request in self.body["requests"]]
        assert all(len(some) == 1 for some in parts), "parts of one content are melted into one vector"
        return [
            _decoded(some[0]["inline_data"]["data"]) if "inline_data" in some[0] else some[0]["text"]
            for some in parts
        ]

    @property
    def dimension(self) -> int:
        if self.what == "openai":
            return int(self.body["dimensions"])
        if self.what == "dashscope":
            return int(self.body["parameters"]["dimension"])
        return int(self.body["requests"][0]["outputDimensionality"])


Behaviour = Callable[[Call], Answer]


class VendorServer(LoopbackServer[Call]):
    """Answers well, unless it is told otherwise: `script` for the next calls, `always` for all of a kind."""

    def __init__(self) -> None:
        super().__init__()
        self.always: dict[str, Behaviour] = {}

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Call:
        given = headers.get("Authorization", "") or headers.get("x-goog-api-key", "")
        return Call(method, path, given.removeprefix("Bearer "), body)

    def well(self, call: Call) -> Answer:
        return self.always.get(call.what, well)(call)

    def made(self, what: str) -> list[Call]:
        return [call for call in self.calls if call.what == what]


def _picture(address: str) -> Image.Image:
    head, _comma, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    return _decoded(data)


def _decoded(data: str) -> Image.Image:
    """google-genai writes bytes in the URL-safe alphabet."""
    return Image.open(BytesIO(base64.b64decode(data.replace("-", "+").replace("_", "/")))).convert("RGB")


# --- What it can be told to do -------------------------------------------------------------------


def well(call: Call) -> Answer:
    """What the real API answers."""
    if call.what == "other":
        return Answer(200, {"id": "model", "object": "model", "name": "models/m", "output": {}})
    if call.what == "describe":
        return described(call)
    vectors = [vector_of(item, call.dimension) for item in call.items]
    return with_vectors(call, vectors)


def colour_of(item: str | Image.Image) -> str:
    """The colour that a picture has, or a text names."""
    if isinstance(item, str):
        return next((name for name in COLOURS if name in item.lower()), "")
    pixel = item.resize((1, 1)).getpixel((0, 0))
    return max(COLOURS, key=lambda name: pixel[list(COLOURS).index(name)])


def vector_of(item: str | Image.Image, dimension: int) -> list[float]:
    """Twice as long as a unit vector: normalising is the client's."""
    direction = COLOURS.get(colour_of(item), (0.5, 0.5, 0.5))
    return [2 * value for value in (*direction, 0.1)] + [0.0] * (dimension - 4)


def with_vectors(call: Call, vectors: list[list[float]]) -> Answer:
    count = len(vectors)
    rows = list(enumerate(vectors))[::-1]  # in whatever order; the index says which is which
    if call.what == "openai":
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in rows]
        usage = {"prompt_tokens": 100 * count, "total_tokens": 100 * count}
        return Answer(200, {"object": "list", "model": "m", "data": data, "usage": usage})
    if call.what == "dashscope":
        found = [{"index": index, "embedding": vector, "type": "image"} for index, vector in rows]
        pictures = sum(not isinstance(item, str) for item in call.items)
        usage = {"input_tokens": 500 * count, "image_tokens": 500 * pictures, "total_tokens": 500 * count}
        return Answer(200, {"output": {"embeddings": found}, "usage": usage, "request_id": "r"})
    usage = {"promptTokenCount": 258 * count, "totalTokenCount": 258 * count}
    return Answer(200, {"embeddings": [{"values": vector} for vector in vectors], "usageMetadata": usage})


def described(call: Call) -> Answer:
    colour = colour_of(call.items[0])
    words = {
        "alt_text": f"A {colour} thing",
        "alt_text_zh": f"一件{colour}的东西",
        "description": f"A plain {colour} thing.",
        "description_zh": f"一件素色的{colour}东西。",
    }
    return saying(json.dumps(words))(call)


def saying(content: str | None, reason: str = "stop", refusal: str | None = None) -> Behaviour:
    """A chat completion of 1,000 tokens in and 200 out."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": usage,
    }
    return lambda call: Answer(200, body)


def short_vectors(call: Call) -> Answer:
    """Of half the dimension that was asked for."""
    return with_vectors(call, [vector_of(item, call.dimension // 2) for item in call.items])


def one_too_few(call: Call) -> Answer:
    return with_vectors(call, [vector_of(item, call.dimension) for item in call.items[1:]])


def other_page(call: Call) -> Answer:
    """What a proxy's sign-in page looks like to the client."""
    return Answer(200, b"<html><title>Sign in</title></html>")


def hung_up(call: Call) -> Answer:
    return Answer(200, None)


def slow(seconds: float) -> Behaviour:
    def behave(call: Call) -> Answer:
        answer = well(call)
        return Answer(answer.status, answer.body, answer.headers, delay=seconds)

    return behave


def failing(status: int, code: str = "", message: str = "Something", after: int | None = None) -> Behaviour:
    """An error in the shape of each API; the message holds the key, as careless servers' do."""

    def behave(call: Call) -> Answer:
        said = f"{message} ({call.key})"
        headers = {"Retry-After": str(after)} if after else {}
        if "generateContent" in call.path or call.what == "gemini":
            body: Body = {"error": {"code": status, "status": code, "message": said, "details": []}}
        elif call.what == "dashscope" or "dashscope" in call.path:
            body = {"code": code, "message": said, "request_id": "r"}
        else:
            body = {"error": {"code": code, "message": said, "type": "error", "param": None}}
        return Answer(status, body, headers)

    return behave


def refusing(colour: str, status: int, code: str, message: str) -> Behaviour:
    """Takes everything but pictures of one colour; a batch with one of them is refused as a whole."""

    def behave(call: Call) -> Answer:
        bad = any(not isinstance(item, str) and colour_of(item) == colour for item in call.items)
        return failing(status, code, message)(call) if bad else well(call)

    return behave
