"""A server on loopback that speaks generateContent of the Gemini API, for the real client.

Paths, fields and error shapes follow google-genai's own code: the path `/{version}/models/{model}:
generateContent` and the response fields from google/genai/models.py, error bodies from
google/genai/errors.py (`error.code/message/status/details`).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request that reached the server."""

    path: str
    key: str
    body: Body

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
    def _parts(self) -> list[Body]:
        return [part for content in self.body["contents"] for part in content["parts"]]


@dataclass(frozen=True)
class Answer:
    """What the server says: a status and a body, after a while."""

    status: int
    body: Body
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


Behaviour = Callable[[Call], Answer]


class GeminiServer:
    """`with GeminiServer() as server:`; `server.script(...)` sets the next answers, then it paints."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._script: deque[Behaviour] = deque()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def script(self, behaviours: Iterable[Behaviour]) -> None:
        with self._lock:
            self._script.extend(behaviours)

    def __enter__(self) -> GeminiServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def answer(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(call)
            behaviour = self._script.popleft() if self._script else painted
        return behaviour(call)

    def _handler(server: GeminiServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                answer = server.answer(Call(self.path, self.headers.get("x-goog-api-key", ""), body))
                time.sleep(answer.delay)
                content = json.dumps(answer.body).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def mixed(call: Call) -> bytes:
    """A picture whose colour is the mean of the inputs', so that a test sees that they arrived."""
    colours = [picture.convert("RGB").resize((1, 1)).getpixel((0, 0)) for picture in call.pictures]
    mean = (
        tuple(sum(values) // len(colours) for values in zip(*colours, strict=True)) if colours else (128,) * 3
    )
    content = BytesIO()
    Image.new("RGB", (256, 256), mean).save(content, "PNG")
    return content.getvalue()


def _picture_part(data: bytes) -> Body:
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}}


def _candidate(parts: list[Body], reason: str = "STOP") -> Body:
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 600, "candidatesTokenCount": 1120, "totalTokenCount": 1720},
        "modelVersion": "gemini-3.1-flash-image",
        "responseId": "answer-1",
    }


def painted(call: Call) -> Answer:
    """Words, then one picture."""
    return Answer(200, _candidate([{"text": "Here it is."}, _picture_part(mixed(call))]))


def several(call: Call) -> Answer:
    """A draft marked as thought, then the picture: models that think send both."""
    draft = {**_picture_part(b"not the final one"), "thought": True}
    return Answer(200, _candidate([draft, _picture_part(mixed(call))]))


def words_only(call: Call) -> Answer:
    return Answer(200, _candidate([{"text": "I would rather describe it."}]))


def blocked_prompt(call: Call) -> Answer:
    return Answer(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})


def blocked_picture(call: Call) -> Answer:
    return Answer(200, {"candidates": [{"finishReason": "IMAGE_SAFETY", "index": 0}]})


def no_candidates(call: Call) -> Answer:
    return Answer(200, {"candidates": []})


def damaged_picture(call: Call) -> Answer:
    return Answer(200, _candidate([_picture_part(mixed(call)[:60])]))


def failing(code: int, status: str, message: str, details: list[Body] | None = None) -> Behaviour:
    """An error in the shape of google.rpc.Status."""
    error = {"code": code, "status": status, "message": message, "details": details or []}
    return lambda call: Answer(code, {"error": error})


def exhausted(seconds: str) -> Behaviour:
    """429 with the wait that the API asks for."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": seconds}
    return failing(429, "RESOURCE_EXHAUSTED", "Quota exceeded", [info])


def slow(seconds: float) -> Behaviour:
    return lambda call: Answer(200, painted(call).body, delay=seconds)
