"""A server on loopback that speaks `predict` of Vertex AI and gives Google's tokens, for the real client.

What goes over the wire is read from google-genai 3.4: `recontext_image`, `_GeneratedImage_from_vertex` and
`_RecontextImageParameters_to_vertex` in models.py, the path in _api_client.py; from google-auth 2.63 the
exchange of a signed assertion for a token (google/oauth2/_client.py, `jwt_grant`). Answers are those of
VirtualTryOnModelResult in the reference of Vertex AI, and the words of a blocked input those that it gave on
2026-07-29 (400, “blocked by your current safety filter threshold”).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image

from tests.loopback import Answer, Body, LoopbackServer

TOKEN = "ya29.token-1"
PATH = re.compile(
    r"/v1(?:beta1)?/projects/studio/locations/us-central1/publishers/google/models/([^/:]+):predict"
)


@dataclass(frozen=True)
class Call:
    """One request that reached the server."""

    path: str
    token: str
    body: Body

    @property
    def model(self) -> str:
        found = PATH.fullmatch(self.path)
        return found.group(1) if found else ""

    @property
    def instance(self) -> Body:
        return self.body["instances"][0]

    @property
    def parameters(self) -> Body:
        return self.body.get("parameters", {})

    @property
    def person(self) -> Image.Image:
        return _opened(self.instance["personImage"]["image"])

    @property
    def products(self) -> list[Image.Image]:
        return [_opened(one["image"]) for one in self.instance["productImages"]]


Behaviour = Callable[[Call], Answer]


class VertexServer(LoopbackServer[Call]):
    """Paints, unless it is told otherwise; gives tokens to whoever signs for one."""

    json_type = "application/json; charset=UTF-8"
    trusts_keys = True

    def parsed(self, headers: Mapping[str, str], raw: bytes) -> Body:
        if headers["Content-Type"].startswith("application/x-www-form-urlencoded"):
            return {name: values[0] for name, values in parse_qs(raw.decode()).items()}
        return super().parsed(headers, raw)

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Call:
        return Call(path, headers.get("Authorization", "").removeprefix("Bearer "), body)

    def answer(self, call: Call) -> Answer:
        if call.path == "/token":
            return self.token(call)
        return super().answer(call)

    def token(self, call: Call) -> Answer:
        """What the token endpoint says; nothing of it is in the ledger."""
        assert call.body["assertion"].count(".") == 2
        if not self.trusts_keys:
            refused = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return Answer(400, refused)
        return Answer(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def well(self, call: Call) -> Answer:
        return painted(call)

    def complaint(self, call: Call) -> Answer | None:
        """What the real API refuses whatever the script says."""
        if call.token != TOKEN:
            return failing(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")(call)
        if not call.model:
            return failing(404, "NOT_FOUND", "Requested entity was not found.")(call)
        if "seed" in call.parameters and call.parameters.get("addWatermark") is not False:
            return failing(400, "INVALID_ARGUMENT", "Seed is not supported when watermark is enabled.")(call)
        return None

    def key_file(self, folder: Path) -> str:
        """A service account's key file whose tokens come from this server."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = folder / "service-account.json"
        account = {
            "type": "service_account",
            "project_id": "studio",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "studio@studio.iam.gserviceaccount.com",
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(account))
        return str(path)


# --- What it can be told to do -------------------------------------------------------------------


def painted(call: Call) -> Answer:
    """The mean colour of what came in."""
    people = [call.person] if "personImage" in call.instance else []
    colours = [one.convert("RGB").resize((1, 1)).getpixel((0, 0)) for one in (*people, *call.products)]
    mean = tuple(sum(values) // len(colours) for values in zip(*colours, strict=True))
    return Answer(200, {"predictions": [_prediction(_plain(mean))]})


def damaged_picture(call: Call) -> Answer:
    return Answer(200, {"predictions": [_prediction(_plain((0, 0, 0))[:60])]})


def nothing(call: Call) -> Answer:
    return Answer(200, {"predictions": []})


def filtered(call: Call) -> Answer:
    """The picture was made and held back: `raiFilteredReason` in place of the picture."""
    reason = (
        "Unable to show generated images. All images were filtered out because they violated our policies."
    )
    return Answer(200, {"predictions": [{"raiFilteredReason": reason}]})


def blocked_input(call: Call) -> Answer:
    message = (
        "Image editing failed with the following error: The input image contains content that has been "
        "blocked by your current safety filter threshold. Support codes: 43188360;"
    )
    return failing(400, "INVALID_ARGUMENT", message)(call)


def hung_up(call: Call) -> Answer:
    return Answer(200, None)


def slow(seconds: float) -> Behaviour:
    return lambda call: Answer(200, painted(call).body, delay=seconds)


def failing(code: int, status: str, message: str, **headers: str) -> Behaviour:
    """An error in the shape of google.rpc.Status, as errors.APIError reads it."""
    error = {"code": code, "status": status, "message": message}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda call: Answer(code, {"error": error}, headers=named)


def _prediction(data: bytes) -> Body:
    return {"mimeType": "image/png", "bytesBase64Encoded": base64.b64encode(data).decode()}


def _opened(image: Body) -> Image.Image:
    """The client writes bytes in the URL-safe alphabet, which JSON of protobuf admits."""
    return Image.open(BytesIO(base64.urlsafe_b64decode(image["bytesBase64Encoded"])))


def _plain(colour: tuple[int, ...]) -> bytes:
    content = BytesIO()
    Image.new("RGB", (256, 256), colour).save(content, "PNG")
    return content.getvalue()
