"""`vertex-tryon`: Google's virtual try-on and product pictures through google-genai, on Vertex AI only.

A model and one garment become a try-on; views of one product become that product in a new place, as the
prompt says. Names of fields are those of google-genai 3.4: `recontext_image` in models.py, types.py.
Limits: docs.cloud.google.com/vertex-ai, models/imagen/virtual-try-on-001, imagen-product-recontext-api.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any

from django.utils.translation import gettext as _
from google import genai
from google.genai import types
from PIL import Image

from generation.providers.base import (
    Blocked,
    Capability,
    Cause,
    Provider,
    ProviderInput,
    ProviderRequest,
    ProviderResult,
    Refused,
)
from generation.providers.google import GoogleClient, http_options
from generation.providers.pictures import encoded, mime_of
from generation.providers.prices import PictureModel, Usage, picture_model, unknown_price
from generation.providers.vendors import Vendor

VENDOR = Vendor("Vertex AI", "VERTEX_CREDENTIALS", "VERTEX_BASE_URL", "VERTEX_TRYON_MODEL")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PERSON, WORN, SHOWN = "model", "garment", "product"
VIEWS = 3
PICTURE_BYTES = 7_000_000  # of each picture
SMALLER_EDGES = (2048, 1600, 1280, 1024)
LARGEST_SEED = 2**31 - 1


class VertexTryOnProvider(Provider):
    """Calls once and never repeats a call: the queue does, which knows budget and rate limits."""

    name = "vertex-tryon"

    def __init__(
        self,
        *,
        project: str,
        location: str,
        credentials: str,
        base_url: str,
        tryon_model: str,
        product_model: str,
        timeout_seconds: int,
    ) -> None:
        self._project = project.strip()
        self._location = location.strip()
        self._credentials = credentials.strip()
        self._address = base_url.strip()
        self._tryon_model = tryon_model
        self._product_model = product_model
        self._seconds = timeout_seconds
        self._google = GoogleClient(VENDOR, self._make, address=self._address, seconds=timeout_seconds)

    def _make(self) -> genai.Client:
        from google.auth import default, load_credentials_from_file

        scopes = [SCOPE]
        credentials, _project = (
            load_credentials_from_file(self._credentials, scopes=scopes)
            if self._credentials
            else default(scopes=scopes)
        )
        return genai.Client(
            vertexai=True,
            project=self._project,
            location=self._location,
            credentials=credentials,
            http_options=http_options(self._address, self._seconds),
        )

    def _known(self, model: str) -> PictureModel:
        return picture_model("vertex", model)

    @property
    def capability(self) -> Capability:
        known = self._known(self._tryon_model)
        return Capability(
            roles=frozenset((PERSON, WORN, SHOWN)),
            max_inputs=VIEWS,
            aspect_ratios=(),  # the picture has that of the person
            price_per_picture=known.flat or Decimal(0),
            currency=known.currency,
            price_as_of=known.as_of,
            price_source=known.source,
            price_known=known.price_is_known,
            seconds_per_picture=20.0,
            parallel_calls=2,
            makes_photographs=True,
            takes_seed=True,
        )

    def check(self) -> str | None:
        if not self._project:
            return _("There is no project. Set VERTEX_PROJECT to the one of your Google Cloud.")
        if self._address and not self._address.startswith(("http://", "https://")):
            return _("%(address)s is no address: “%(url)s”. It begins with https://.") % {
                "address": VENDOR.address_setting,
                "url": self._address,
            }
        known = self._known(self._tryon_model)
        return None if known.price_is_known else unknown_price(self._tryon_model)

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One call, one picture.

        Raises:
            Blocked: a picture that went in or came out was filtered.
            Transient: 429 (with the wait that the API asks for), 5xx, time-out, lost connection.
            Refused: wrong credentials, project or model, pictures that make no request, or no usable answer.
        """
        if problem := self.check():
            raise Refused(problem, cause=Cause.KEY)
        model, source = self._source(request)
        known = self._known(model)
        if not known.price_is_known:
            raise Refused(unknown_price(model))
        with self._google.guarded(model, charged=known.price()):
            answer = self._google.connected().models.recontext_image(
                model=model, source=source, config=_config(request.parameters)
            )
        return _result(answer, model, known)

    def _source(self, request: ProviderRequest) -> tuple[str, types.RecontextImageSource]:
        """Which model makes it, and what goes in."""
        persons = [given for given in request.inputs if given.role == PERSON]
        worn = [given for given in request.inputs if given.role == WORN]
        shown = [given for given in request.inputs if given.role == SHOWN]
        if len(persons) == 1 and len(worn) == 1 and not shown:
            return self._tryon_model, types.RecontextImageSource(
                person_image=_image(persons[0]),
                product_images=[types.ProductImage(product_image=_image(worn[0]))],
            )
        if 0 < len(shown) <= VIEWS and not persons and not worn:
            return self._product_model, types.RecontextImageSource(
                prompt=request.prompt,
                product_images=[types.ProductImage(product_image=_image(given)) for given in shown],
            )
        raise Refused(
            _(
                "Virtual try-on takes one model and one garment; a product picture takes up to "
                "%(views)s views of one product."
            )
            % {"views": VIEWS}
        )


def _image(given: ProviderInput) -> types.Image:
    """PNG or JPEG of at most 7 MB: other types are not taken."""
    data, mime = given.read(), given.mime
    if mime in ("image/png", "image/jpeg") and len(data) <= PICTURE_BYTES:
        return types.Image(image_bytes=data, mime_type=mime)
    with Image.open(BytesIO(data)) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture.convert("RGBA"), mask=picture.convert("RGBA").getchannel("A"))
    for edge in SMALLER_EDGES:
        flat.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        data = encoded(flat, "JPEG", quality=92)
        if len(data) <= PICTURE_BYTES:
            break
    return types.Image(image_bytes=data, mime_type="image/jpeg")


def _config(parameters: Mapping[str, Any]) -> types.RecontextImageConfig:
    """A seed needs the watermark off: VirtualTryOnModelParams in the reference of Vertex AI."""
    seed = parameters.get("seed")
    if seed is not None and not (isinstance(seed, int) and 0 <= seed <= LARGEST_SEED):
        raise Refused(_("The seed is a whole number from 0 to %(most)s.") % {"most": LARGEST_SEED})
    return types.RecontextImageConfig(
        number_of_images=1,
        output_mime_type="image/png",
        seed=seed,
        add_watermark=False if seed is not None else None,
    )


def _result(answer: types.RecontextImageResponse, model: str, known: PictureModel) -> ProviderResult:
    if not answer.generated_images:
        said = _("Vertex AI answered without a picture. Run it again, or change the inputs.")
        raise Refused(said, cause=Cause.NO_PICTURE)
    made = answer.generated_images[0]
    if made.rai_filtered_reason:
        reason = made.rai_filtered_reason.rstrip(".")
        raise Blocked(_("Vertex AI's filters held the picture back: %(reason)s.") % {"reason": reason})
    data = (made.image.image_bytes if made.image else None) or b""
    mime = mime_of(data)
    cost = known.cost(Usage())
    if mime is None:
        said = _("%(vendor)s answered with a damaged picture.") % {"vendor": VENDOR.name}
        raise Refused(said, cost=cost, cause=Cause.DAMAGED)
    return ProviderResult(data, mime, model, cost, known.currency)
