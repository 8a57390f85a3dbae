"""`gemini-batch`: the same pictures through the Batch API of Gemini, within a day, at half the price.

Requests go in as a file of JSON lines and answers come back as one, each line with our key: answers within
the batch cannot be fetched once they hold about a hundred pictures (googleapis/python-genai issue 2519).
Lines are the REST form of a request (https://ai.google.dev/api/batch-api), which the client does not write.
The client's names are those of google-genai 3.4: google/genai/batches.py, files.py, types.py.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _
from google.genai import types
from pydantic import ValidationError

from generation.providers.base import (
    BatchHandle,
    BatchOutcome,
    BatchProgress,
    BatchProvider,
    Capability,
    Cause,
    ProviderError,
    ProviderRequest,
    ProviderResult,
    Refused,
    Transient,
)
from generation.providers.gemini import VENDOR, Gemini, config_of, contents_of, result_of
from generation.providers.prices import PictureModel

BATCH_SIZE = 100
FILE_BYTES = 2_000_000_000  # of one file of the Files API
PAGE_SIZE = 100
HOURS = 24  # within which Google means to answer; a batch expires after 48
# types.JobState
_ENDED = frozenset(
    (
        "JOB_STATE_SUCCEEDED",
        "JOB_STATE_PARTIALLY_SUCCEEDED",
        "JOB_STATE_FAILED",
        "JOB_STATE_CANCELLED",
        "JOB_STATE_EXPIRED",
    )
)
# google.rpc.Code, as an error within a batch has it, and the HTTP status of each (google/rpc/code.proto).
_HTTP_STATUS = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501,
    13: 500, 14: 503, 15: 500, 16: 401,
}  # fmt: skip


class GeminiBatchProvider(Gemini, BatchProvider):
    """A batch's display name is our key, so that it is found again."""

    name = "gemini-batch"

    @property
    def capability(self) -> Capability:
        single = super().capability
        return replace(
            single,
            price_per_picture=single.price_per_picture * self._known.batch,
            seconds_per_picture=HOURS * 3600.0,
            parallel_calls=BATCH_SIZE,
            batch_size=BATCH_SIZE,
        )

    def price(self, parameters: Mapping[str, Any], *, inputs: int = 0) -> Decimal:
        return super().price(parameters, inputs=inputs) * self._known.batch

    def submit(self, key: str, requests: Sequence[ProviderRequest]) -> BatchHandle:
        if problem := self.check():
            raise Refused(problem, cause=Cause.KEY)
        if there := self.find(key):
            return there
        with tempfile.TemporaryDirectory(prefix="batch-") as folder:
            path = Path(folder) / "requests.jsonl"
            with path.open("w", encoding="utf-8") as file:
                _write(file, requests, self._known)
            if path.stat().st_size > FILE_BYTES:
                raise Refused(_("These requests are too large for one batch. Make it smaller."))
            with self._google.guarded(self._model, paid=False):
                uploaded = self._google.connected().files.upload(
                    file=path, config=types.UploadFileConfig(display_name=key, mime_type="jsonl")
                )
        with self._google.guarded(self._model):
            job = self._google.connected().batches.create(
                model=self._model,
                src=types.BatchJobSource(file_name=uploaded.name),
                config=types.CreateBatchJobConfig(display_name=key),
            )
        return _handle(job, key)

    def find(self, key: str) -> BatchHandle | None:
        with self._google.guarded(self._model, paid=False):
            pages = self._google.connected().batches.list(
                config=types.ListBatchJobsConfig(page_size=PAGE_SIZE)
            )
            return next((_handle(job, key) for job in pages if job.display_name == key), None)

    def progress(self, handle: BatchHandle) -> BatchProgress:
        job = self._job(handle)
        return BatchProgress(ended=_state(job) in _ENDED, state=_state(job))

    def collect(self, handle: BatchHandle, idempotency_keys: Sequence[str]) -> Iterator[BatchOutcome]:
        job = self._job(handle)
        if _state(job) not in _ENDED:
            raise Transient(_("The batch “%(name)s” has not ended.") % {"name": handle.name})
        missing = set(idempotency_keys)
        if job.dest is not None and job.dest.file_name:
            for outcome in self._answers(job.dest.file_name):
                if outcome.idempotency_key in missing:
                    missing.remove(outcome.idempotency_key)
                    yield outcome
        for key in idempotency_keys:
            if key in missing:
                yield BatchOutcome(key, _unanswered(_state(job)))

    def cancel(self, handle: BatchHandle) -> None:
        with self._google.guarded(self._model, paid=False):
            self._google.connected().batches.cancel(name=handle.name)

    def _job(self, handle: BatchHandle) -> types.BatchJob:
        with self._google.guarded(self._model, paid=False):
            return self._google.connected().batches.get(name=handle.name)

    def _answers(self, file_name: str) -> Iterator[BatchOutcome]:
        """The lines of the file of answers, fetched to the disk first: it may be larger than memory."""
        with tempfile.TemporaryFile(prefix="batch-") as file:
            with self._google.guarded(self._model, paid=False):
                self._google.connected().files.download(file=file_name, destination=file)
            file.seek(0)
            for line in file:
                if outcome := self._outcome(line):
                    yield outcome

    def _outcome(self, line: bytes) -> BatchOutcome | None:
        """A line as the outcome of its request; None where it is none of ours."""
        try:
            body = json.loads(line)
            key = str(body["key"])
        except (ValueError, KeyError, TypeError):
            return None
        try:
            return BatchOutcome(key, self._result(body))
        except ProviderError as error:
            return BatchOutcome(key, error)

    def _result(self, body: Mapping[str, Any]) -> ProviderResult:
        if error := body.get("error"):
            code = int(error.get("code") or 2)
            raise VENDOR.failure(_HTTP_STATUS.get(code, code), error.get("message"), model=self._model)
        known = self._known
        try:
            # As the client reads an answer of its own: what it does not know yet is left out.
            answer = types.GenerateContentResponse._from_response(
                response=body.get("response") or {}, kwargs={}
            )
        except ValidationError as error:
            said = _("%(vendor)s's answer is damaged.") % {"vendor": VENDOR.name}
            raise Refused(said, cost=known.price() * known.batch, cause=Cause.DAMAGED) from error
        return result_of(answer, known, share=known.batch)


def _handle(job: types.BatchJob, key: str) -> BatchHandle:
    return BatchHandle(key, job.name or "")


def _state(job: types.BatchJob) -> str:
    """In the words of types.JobState: `t_job_state` in _transformers.py leaves some of the API's alone."""
    state = job.state.value if job.state else "JOB_STATE_UNSPECIFIED"
    return state.replace("BATCH_STATE_", "JOB_STATE_")


def _unanswered(state: str) -> ProviderError:
    """Why a request of an ended batch has no answer."""
    if state == "JOB_STATE_FAILED":
        return Refused(_("Gemini could not run the batch. Try fewer pictures, or single calls."))
    said = {
        "JOB_STATE_EXPIRED": _("The batch expired before this picture was made."),
        "JOB_STATE_CANCELLED": _("The batch was cancelled before this picture was made."),
    }
    return Transient(said.get(state) or _("The batch ended without an answer to this request."))


def _write(file: IO[str], requests: Sequence[ProviderRequest], known: PictureModel) -> None:
    """One line a request, written before the next one's pictures are read."""
    for request in requests:
        line = {"key": request.idempotency_key, "request": _body(request, known)}
        file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _body(request: ProviderRequest, known: PictureModel) -> dict[str, Any]:
    """GenerateContentRequest in its REST form."""
    config = config_of(request.parameters, known)
    image = config.image_config
    shape = {"aspectRatio": image.aspect_ratio, "imageSize": image.image_size} if image else {}
    wanted = {
        "responseModalities": config.response_modalities,
        "imageConfig": {name: value for name, value in shape.items() if value},
        "seed": config.seed,
    }
    return {
        "contents": [{"role": "user", "parts": [_part(part) for part in contents_of(request)]}],
        "generationConfig": {name: value for name, value in wanted.items() if value not in (None, {})},
    }


def _part(part: types.Part) -> dict[str, Any]:
    if part.inline_data is None:
        return {"text": part.text}
    data = base64.b64encode(part.inline_data.data or b"").decode()
    return {"inlineData": {"mimeType": part.inline_data.mime_type, "data": data}}
