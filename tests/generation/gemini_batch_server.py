"""A server on loopback that speaks the Batch API and the Files API of Gemini, for the real client.

What goes over the wire is read from google-genai 3.4: the resumable upload from files.py, _extra_utils.py
(`prepare_resumable_upload`) and _api_client.py (`_upload_fd`), batches from batches.py
(`_CreateBatchJobParameters_to_mldev`, `_BatchJob_from_mldev`, `_ListBatchJobsResponse_from_mldev`) and
_transformers.py (`t_job_state`). Lines of the files are those of https://ai.google.dev/gemini-api/docs/batch-api.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.generation import gemini_server as gemini
from tests.loopback import Answer, Body, LoopbackServer

# google.rpc.Code (google/rpc/code.proto) of the HTTP status that each stands for.
RPC_CODES = {400: 3, 404: 5, 403: 7, 429: 8, 500: 13, 503: 14}


@dataclass(frozen=True)
class Call:
    """One request that reached the server."""

    method: str
    path: str
    key: str
    headers: Mapping[str, str]
    body: Body

    @property
    def what(self) -> str:
        """Which operation it is."""
        path = self.path.partition("?")[0]
        for pattern, name in (
            (r"/upload/v1(?:beta)?/files", "start upload"),
            (r"/uploads/\d+", "upload"),
            (r"/v1(?:beta)?/models/[^/:]+:batchGenerateContent", "create"),
            (r"/v1(?:beta)?/batches", "list"),
            (r"/v1(?:beta)?/batches/[^/:]+", "get"),
            (r"/v1(?:beta)?/batches/[^/:]+:cancel", "cancel"),
            (r"/v1(?:beta)?/files/[^/:]+:download", "download"),
        ):
            if re.fullmatch(pattern, path):
                return name
        return "other"


@dataclass
class Batch:
    """A batch as the vendor keeps it."""

    name: str
    display_name: str
    model: str
    lines: list[Body]
    state: str = "BATCH_STATE_PENDING"
    answers: str = ""

    @property
    def operation(self) -> Body:
        """google.longrunning.Operation with a GenerateContentBatch as its metadata."""
        ended = self.state not in ("BATCH_STATE_PENDING", "BATCH_STATE_RUNNING")
        metadata: Body = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "model": f"models/{self.model}",
            "displayName": self.display_name,
            "state": self.state,
            "createTime": "2026-11-26T02:00:00.000000000Z",
            "updateTime": "2026-11-26T02:00:00.000000000Z",
            "name": self.name,
            "batchStats": {"requestCount": str(len(self.lines))},
        }
        if self.answers:
            metadata["output"] = {"responsesFile": self.answers}
        return {"name": self.name, "metadata": metadata, **({"done": True} if ended else {})}


@dataclass
class Store:
    """What the vendor keeps: files by name, batches in their order, uploads under way."""

    files: dict[str, bytes] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)


class GeminiBatchServer(LoopbackServer[Call]):
    """Takes batches; they end when a test says so (`finish`)."""

    json_type = "application/json; charset=UTF-8"
    page_size = 100

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()

    def parsed(self, headers: Mapping[str, str], raw: bytes) -> Body:
        if "upload" in headers.get("X-Goog-Upload-Command", ""):
            return {"content": raw}
        return super().parsed(headers, raw)

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Call:
        return Call(method, path, headers.get("x-goog-api-key", ""), headers, body)

    def made(self, what: str) -> list[Call]:
        return [call for call in self.calls if call.what == what]

    def well(self, call: Call) -> Answer:
        answers: dict[str, Callable[[Call], Answer]] = {
            "start upload": self._start_upload,
            "upload": self._upload,
            "create": self._create,
            "list": self._list,
            "get": self._get,
            "cancel": self._cancel,
            "download": self._download,
        }
        answer = answers.get(call.what)
        return answer(call) if answer else _error(404, "NOT_FOUND", "Requested entity was not found.")

    def finish(
        self,
        batch: Batch,
        state: str = "BATCH_STATE_SUCCEEDED",
        *,
        outcomes: Mapping[str, gemini.Behaviour] | None = None,
        answered: Sequence[str] | None = None,
        order: int = -1,
    ) -> None:
        """End a batch: each request is painted, or as `outcomes` has it by key; only `answered` ones.

        Lines come in another order than they went in: our key tells which is which.
        """
        lines = []
        for line in batch.lines[::order]:
            if answered is None or line["key"] in answered:
                behaviour = (outcomes or {}).get(line["key"], gemini.painted)
                lines.append(_answer_line(line, behaviour, batch.model))
        batch.state = state
        if lines:
            batch.answers = f"files/{batch.name.removeprefix('batches/')}-answers"
            content = "".join(json.dumps(line) + "\n" for line in lines)
            self.store.files[batch.answers] = content.encode()

    # --- The operations --------------------------------------------------------------------------

    def _start_upload(self, call: Call) -> Answer:
        self.store.uploads.append(b"")
        address = f"{self.url}/uploads/{len(self.store.uploads) - 1}"
        return Answer(200, {}, headers={"X-Goog-Upload-URL": address, "X-Goog-Upload-Status": "active"})

    def _upload(self, call: Call) -> Answer:
        number = int(call.path.rpartition("/")[2])
        self.store.uploads[number] += call.body["content"]
        if "finalize" not in call.headers["X-Goog-Upload-Command"]:
            return Answer(200, {}, headers={"X-Goog-Upload-Status": "active"})
        name = f"files/requests-{number}"
        self.store.files[name] = self.store.uploads[number]
        file = {"name": name, "mimeType": "jsonl", "state": "ACTIVE", "source": "UPLOADED"}
        return Answer(200, {"file": file}, headers={"X-Goog-Upload-Status": "final"})

    def _create(self, call: Call) -> Answer:
        asked = call.body["batch"]
        content = self.store.files[asked["inputConfig"]["fileName"]]
        model = call.path.rpartition("/")[2].partition(":")[0]
        lines = [json.loads(line) for line in content.splitlines()]
        name = f"batches/b{len(self.store.batches) + 1}"
        batch = Batch(name, asked["displayName"], model, lines)
        self.store.batches.append(batch)
        return Answer(200, batch.operation)

    def _list(self, call: Call) -> Answer:
        found = re.search(r"pageToken=(\d+)", call.path)
        start = int(found.group(1)) if found else 0
        page = self.store.batches[::-1][start : start + self.page_size]
        more = start + self.page_size < len(self.store.batches)
        token = {"nextPageToken": str(start + self.page_size)} if more else {}
        return Answer(200, {"operations": [batch.operation for batch in page], **token})

    def _named(self, call: Call) -> Batch | None:
        name = "batches/" + call.path.rpartition("/")[2].partition(":")[0]
        return next((batch for batch in self.store.batches if batch.name == name), None)

    def _get(self, call: Call) -> Answer:
        batch = self._named(call)
        return Answer(200, batch.operation) if batch else _error(404, "NOT_FOUND", "Batch not found.")

    def _cancel(self, call: Call) -> Answer:
        batch = self._named(call)
        if batch is None:
            return _error(404, "NOT_FOUND", "Batch not found.")
        batch.state = "BATCH_STATE_CANCELLED"
        return Answer(200, {})

    def _download(self, call: Call) -> Answer:
        name = "files/" + call.path.rpartition("/")[2].partition(":")[0]
        content = self.store.files.get(name)
        return Answer(200, content) if content else _error(404, "NOT_FOUND", "File not found.")


def _answer_line(line: Body, behaviour: gemini.Behaviour, model: str) -> Body:
    path = f"/v1/models/{model}:generateContent"
    answer = behaviour(gemini.Call(path, "", line["request"]))
    body: Any = answer.body
    if answer.status == 200:
        return {"key": line["key"], "response": body}
    error = body["error"]
    return {"key": line["key"], "error": {"code": RPC_CODES[answer.status], "message": error["message"]}}


def _error(code: int, status: str, message: str) -> Answer:
    return Answer(code, {"error": {"code": code, "status": status, "message": message}})


def failing(code: int, status: str, message: str) -> Callable[[Call], Answer]:
    """An error in the shape of google.rpc.Status, as errors.APIError reads it."""
    return lambda call: _error(code, status, message)
