"""From a job to the labels in its files, their signature, and what of it each asker is told."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from rest_framework.test import APIClient

from dam import editing, presets
from dam.addresses import original_url, rendition_url, written_url
from dam.containers import kinds
from dam.containers.pieces import PiecedFile
from dam.decoder import manifests
from dam.metadata_edit import MetadataEdit
from dam.models import Asset, AssetOrigin, AssetState, RenditionPreset
from generation import running
from generation.models import GenerationItem, GenerationJob, ItemState, SpendEntry
from generation.planning import Manner, plan_edit, plan_outfits
from generation.running import create_job, run_job
from tests.certificates import Chain, make_chain
from tests.factories import AssetFactory, UserFactory
from tests.generation.painter import Painter
from tests.generation.test_running import Killed, lease_runs_out
from tests.pictures import picture

pytestmark = pytest.mark.django_db

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
INSTRUCTION = "make it of blue glass"


def edited(assets_of: Make, count: int = 1, **given: Any) -> GenerationJob:
    job = create_job(plan_edit(assets_of("product", count), INSTRUCTION), owner=None, **given)
    run_job(job)
    return job


def content_of(asset: Asset) -> bytes:
    with asset.current.file.open("rb") as file:
        return file.read()


def said_by(content: bytes) -> dict[str, Any]:
    """What Pillow, which is none of our readers, finds in the file's XMP, by local names."""
    with Image.open(io.BytesIO(content)) as image:
        found = image.getxmp() or {"xmpmeta": {"RDF": {"Description": {}}}}
    return found["xmpmeta"]["RDF"]["Description"]


def got(client: Client, address: str) -> bytes:
    response = client.get(address)
    assert response.status_code == 200
    return b"".join(response.streaming_content)


# --- Labels -----------------------------------------------------------------------------------------


def test_the_file_of_a_picture_says_how_it_was_made(
    painter: Configure, assets_of: Make, settings: Any
) -> None:
    settings.DAM_AIGC_PRODUCER = "某工作室"
    engine = painter()
    answer = picture(seed=4711, format="PNG", size=(80, 60))
    engine.incidents.append(answer)
    models, garments = assets_of("model", 1), assets_of("garment", 1)
    job = create_job(plan_outfits(models, garments), owner=None)
    run_job(job)

    item = job.items.get()
    said = said_by(content_of(item.output))
    assert said["DigitalSourceType"] == f"{SCHEME}trainedAlgorithmicMedia"
    producer = "%E6%9F%90%E5%B7%A5%E4%BD%9C%E5%AE%A4"
    assert json.loads(said["AIGC"]) == {
        "Label": "1", "ContentProducer": producer, "ProduceID": str(item.public_id), "ReservedCode1": "",
        "ContentPropagator": producer, "PropagateID": str(item.public_id), "ReservedCode2": "",
    }  # fmt: skip
    assert (said["AISystemUsed"], said["AISystemVersionUsed"]) == (job.provider, "painter-1")
    assert (said["Provider"], said["Model"], said["Item"]) == (job.provider, "painter-1", str(item.public_id))
    prompt = hashlib.sha256(item.prompt.encode()).hexdigest()
    assert said["PromptSHA256"] == prompt
    assert prompt in said["AIPromptInformation"]
    assert str(item.public_id) in said["PromptKept"]
    assert item.prompt not in json.dumps(said)
    assert said["MadeFrom"]["Bag"]["li"] == [
        f"model:{models[0].public_id}", f"garment:{garments[0].public_id}"
    ]  # fmt: skip
    assert [link.parent for link in item.output.parent_links.all()] == [*models, *garments]
    assert (item.output.making, item.output.origin) == ("ai", AssetOrigin.GENERATED)
    with Image.open(io.BytesIO(content_of(item.output))) as kept, Image.open(io.BytesIO(answer)) as sent:
        assert (kept.format, kept.tobytes()) == ("PNG", sent.tobytes())


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_whatever_kind_of_file_comes_back_is_labelled(
    painter: Configure, assets_of: Make, format: str
) -> None:
    engine = painter()
    engine.incidents.append(picture(seed=5, format=format))
    output = edited(assets_of).items.get().output
    assert output.making == "ai"
    kept = format if format in ("JPEG", "WEBP") else "PNG"  # the others cannot hold a label
    with Image.open(io.BytesIO(content_of(output))) as image:
        assert image.format == kept


def test_a_board_says_that_it_is_one(assets_of: Make) -> None:
    model, garment = assets_of("model", 1), assets_of("garment", 1)
    job = create_job(plan_outfits(model, garment, provider="board"), owner=None)
    run_job(job)
    said = said_by(content_of(job.items.get().output))
    assert said["DigitalSourceType"] == f"{SCHEME}composite"
    assert (said["Provider"], said["Making"]) == ("board", "arranged")
    assert not {"AIGC", "AISystemUsed", "AIPromptInformation", "PromptSHA256"} & set(said)  # it reads none
    assert job.items.get().output.making == "arranged"

    Asset.objects.filter(pk=garment[0].pk).update(making="ai")
    plan = plan_outfits(model, garment, provider="board", manner=Manner(again=True))
    again = create_job(plan, owner=None, parameters={"again": 1})
    SpendEntry.objects.all().delete()
    GenerationItem.objects.exclude(job=again).delete()
    Asset.objects.filter(origin=AssetOrigin.GENERATED).update(state=AssetState.TRASHED)
    editing.delete_forever(Asset.objects.filter(state=AssetState.TRASHED), actor=None)
    run_job(again)
    output = again.items.get().output
    said = said_by(content_of(output))
    assert said["DigitalSourceType"] == f"{SCHEME}compositeSynthetic"
    assert json.loads(said["AIGC"])["Label"] == "1"
    assert "AISystemUsed" not in said  # the board is none
    assert output.making == "partly_ai"


def test_the_same_answer_twice_is_one_picture_that_names_the_first(
    painter: Configure, assets_of: Make
) -> None:
    engine = painter()
    same = picture(seed=4712, format="PNG")
    engine.incidents.extend([same, same])
    job = edited(assets_of, 2)
    first, second = job.items.order_by("position")
    assert first.output == second.output
    assert said_by(content_of(first.output))["Item"] == str(first.public_id)
    assert first.output.parent_links.count() == 2


def test_a_picture_that_was_the_librarys_own_stays_what_it_was(painter: Configure, assets_of: Make) -> None:
    engine = painter()
    known = picture(seed=4713, format="PNG")
    mine = AssetFactory(file=known)
    engine.incidents.append(known)
    item = edited(assets_of).items.get()
    assert item.output == mine
    assert content_of(mine) == known
    assert Asset.objects.get(pk=mine.pk).making == ""


# --- Who is told what -------------------------------------------------------------------------------


def test_each_asker_is_told_as_much_as_is_theirs(
    painter: Configure, assets_of: Make, api: APIClient, staff_api: APIClient, client: Client, editor: User,
    settings: Any,
) -> None:  # fmt: skip
    painter()
    job = edited(assets_of)
    item = job.items.get()
    output = item.output
    Asset.objects.filter(pk=output.pk).update(state=AssetState.APPROVED)
    (parent,) = [link.parent for link in output.parent_links.all()]
    Asset.objects.filter(pk=parent.pk).update(state=AssetState.DRAFT)

    public = api.get(f"/api/v1/provenance/{output.public_id}/")
    told = public.json()
    assert (told["generated"], told["making"], told["said_by"]) == (True, "ai", "library")
    assert (told["provider"], told["model"]) == (job.provider, "painter-1")
    assert told["made_at"].startswith(item.answered_at.isoformat(timespec="seconds")[:19])
    for private in (item.prompt, INSTRUCTION, str(parent.public_id), parent.title):
        assert private not in public.content.decode()
    assert api.get(f"/api/v1/assets/{output.public_id}/provenance/").status_code == 401

    settings.DAM_PROVENANCE_TELLS_MODEL = False
    told = api.get(f"/api/v1/provenance/{output.public_id}/").json()
    assert (told["generated"], told["provider"], told["model"]) == (True, "", "")
    settings.DAM_PROVENANCE_TELLS_MODEL = True

    contributor = UserFactory(is_staff=True)
    contributor.groups.add(_contributors())
    api.force_authenticate(contributor)
    seen = api.get(f"/api/v1/assets/{output.public_id}/provenance/").json()
    assert (seen["prompt"], seen["parameters"], seen["made_from"]) == (None, None, [])

    full = staff_api.get(f"/api/v1/assets/{output.public_id}/provenance/").json()
    assert (full["prompt"], full["item"]) == (item.prompt, str(item.public_id))
    assert [row["id"] for row in full["made_from"]] == [str(parent.public_id)]
    assert full["labels"]["PromptSHA256"] == hashlib.sha256(item.prompt.encode()).hexdigest()

    client.force_login(editor)
    page = client.get(f"/admin/dam/asset/{output.pk}/change/")
    shown = page.context["provenance"]
    assert (shown.prompt, shown.is_foreign) == (item.prompt, False)
    assert shown.job_url == f"/admin/generation/generationjob/{job.pk}/change/"
    assert "The file has no signed manifest (C2PA)." in page.content.decode()
    used = client.get(f"/admin/dam/asset/{parent.pk}/change/").context["used_in"]
    assert used == [(output, "Reference")]


def _contributors() -> Any:
    from django.contrib.auth.models import Group

    from dam.roles import Role

    return Group.objects.get(name=Role.CONTRIBUTOR)


def test_a_rendition_names_its_maker_by_the_number_in_its_label(
    painter: Configure, assets_of: Make, api: APIClient, client: Client
) -> None:
    painter()
    output = edited(assets_of).items.get().output
    Asset.objects.filter(pk=output.pk).update(state=AssetState.APPROVED)
    output.refresh_from_db()
    shown = got(client, rendition_url(output, "web"))
    told = api.post(
        "/api/v1/provenance/", {"file": SimpleUploadedFile("shop.webp", shown)}, format="multipart"
    ).json()
    assert (told["certainty"], told["asset"]) == ("label", str(output.public_id))
    assert (told["provider"], told["model"]) == (output.generated_by.get().job.provider, "painter-1")


# --- Signed -----------------------------------------------------------------------------------------


@pytest.fixture
def chain(tmp_path: Path, settings: Any) -> Chain:
    """Generated pictures are signed, with a certificate made for this test."""
    pytest.importorskip("c2pa", reason="c2pa-python is optional")
    made = make_chain(tmp_path)
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = str(made.certificate), str(made.key)
    return made


def verified(content: bytes, mime: str, root: str) -> tuple[str, dict[str, Any]]:
    """What the library itself says of a file, with this root for an anchor."""
    import c2pa

    settings = {
        "verify": {"remote_manifest_fetch": False, "verify_trust": True},
        "trust": {"user_anchors": root},
    }
    with c2pa.Reader(mime, io.BytesIO(content), context=c2pa.Context.from_dict(settings)) as reader:
        return reader.get_validation_state(), reader.get_active_manifest()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_signed_picture_says_who_signed_and_how_it_was_made(
    painter: Configure, assets_of: Make, chain: Chain, client: Client, editor: User, staff_api: APIClient,
    format: str,
) -> None:  # fmt: skip
    engine = painter()
    engine.incidents.append(picture(seed=6, format=format, size=(80, 60)))
    job = edited(assets_of)
    item = job.items.get()
    output, mime = item.output, f"image/{format.lower()}"
    content = content_of(output)

    state, manifest = verified(content, mime, chain.root)
    assert state == "Trusted"
    (action,) = manifest["assertions"][0]["data"]["actions"]
    assert action["digitalSourceType"] == f"{SCHEME}trainedAlgorithmicMedia"
    assert action["softwareAgent"] == {"name": job.provider, "version": "painter-1"}
    (parent,) = [link.parent for link in output.parent_links.all()]
    assert [one["instance_id"] for one in manifest["ingredients"]] == [f"urn:uuid:{parent.public_id}"]
    assert said_by(content)["Item"] == str(item.public_id)
    assert verified(content, mime, make_chain_root(chain))[0] == "Valid"  # signed, by somebody unknown

    told = staff_api.get(f"/api/v1/assets/{output.public_id}/provenance/").json()["content_credentials"]
    assert (told["state"], told["issuer"], told["generator"]) == ("valid", "Test studio", "Atelier")
    client.force_login(editor)
    page = client.get(f"/admin/dam/asset/{output.pk}/change/").content.decode()
    assert "Signed by Test studio with Atelier; the file is as it was signed." in page
    editing.update_assets([output], actor=editor, changes={"title": "Glass"})
    output.refresh_from_db()
    for address in (original_url(output), written_url(output)):
        assert got(client, address) == content  # a field written into it would break the seal
    Asset.objects.filter(pk=output.pk).update(state=AssetState.APPROVED)
    assert got(Client(), original_url(output)) == content  # nor does hiding the place from strangers

    touched = kinds.edited(io.BytesIO(content), mime, MetadataEdit({"photoshop:Credit": "Me"}))
    asset = AssetFactory(file=PiecedFile(io.BytesIO(content), touched).read())
    assert asset.current.metadata["c2pa"]["state"] == "invalid"
    assert asset.making == "ai"  # its label says so still
    page = client.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
    assert "at-warning" in page[page.index('id="provenance"') :]


def make_chain_root(chain: Chain) -> str:
    """A root that this chain does not hang from."""
    folder = chain.key.parent / "other"
    folder.mkdir(exist_ok=True)
    return make_chain(folder, "Somebody else").root


def test_an_upload_whose_only_word_is_its_manifest_is_understood_and_its_renditions_say_it(
    painter: Configure, assets_of: Make, chain: Chain, client: Client
) -> None:
    import c2pa

    manifest = {
        "claim_generator_info": [{"name": "Elsewhere"}],
        "format": "image/jpeg",
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {"action": "c2pa.created", "digitalSourceType": f"{SCHEME}trainedAlgorithmicMedia"}
                    ]
                },
            }
        ],
    }
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(b"es256", chain.certificate.read_bytes(), chain.key.read_bytes(), None)
    )
    signed = io.BytesIO()
    with c2pa.Builder(manifest) as builder:
        builder.sign(signer, "image/jpeg", io.BytesIO(picture(seed=9)), signed)
    asset = AssetFactory(file=signed.getvalue())
    assert asset.making == "ai"
    assert asset.current.metadata["c2pa"]["generator"] == "Elsewhere"
    row = RenditionPreset(slug="shop", width=60, public=True, format="png")
    presets.save(row, actor=None)
    shown = said_by(got(client, rendition_url(asset, presets.find("shop"))))
    assert shown["DigitalSourceType"] == f"{SCHEME}trainedAlgorithmicMedia"

    # A provider's own manifest vouches for bytes that these are not any more: it goes in as an ingredient.
    engine = painter()
    engine.incidents.append(signed.getvalue())
    editing.trash([asset], actor=None)
    editing.delete_forever(Asset.objects.filter(pk=asset.pk), actor=None)
    output = edited(assets_of).items.get().output
    state, active = verified(content_of(output), "image/jpeg", chain.root)
    assert (state, active["claim_generator_info"][0]["name"]) == ("Trusted", "Atelier")
    assert [one["relationship"] for one in active["ingredients"]] == ["inputTo", "inputTo"]
    assert any(one.get("active_manifest") for one in active["ingredients"])


def test_without_a_certificate_a_providers_manifest_does_not_stay_broken_in_the_file(
    painter: Configure, assets_of: Make, chain: Chain, settings: Any
) -> None:
    engine = painter()
    engine.incidents.append(picture(seed=10, format="PNG"))
    signed = content_of(edited(assets_of).items.get().output)
    settings.C2PA_CERTIFICATE = settings.C2PA_PRIVATE_KEY = ""
    engine.incidents.append(signed + b"\0")  # another file with the same manifest
    output = edited(assets_of).items.order_by("pk").last().output
    assert b"c2pa" not in content_of(output)
    assert (output.making, output.current.metadata.get("c2pa")) == ("ai", None)


def test_a_crash_after_signing_adds_no_second_picture(
    painter: Configure, assets_of: Make, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No two signatures are the same, so that the signed file must outlive the worker."""
    engine = painter()
    job = create_job(plan_edit(assets_of("product", 1), INSTRUCTION), owner=None)

    def dies(*_args: Any, **_given: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(running, "_end", dies)
        with pytest.raises(Killed):
            run_job(job)
    (made,) = Asset.objects.filter(origin=AssetOrigin.GENERATED)
    lease_runs_out(job)
    run_job(job)
    item = job.items.get()
    assert (item.state, item.output, len(engine.ledger)) == (ItemState.SUCCEEDED, made, 1)
    assert Asset.objects.filter(origin=AssetOrigin.GENERATED).count() == 1
    assert (item.answer.name, manifests.said_in(io.BytesIO(content_of(made)), "image/png")["state"]) == (
        "", "valid"
    )  # fmt: skip


def test_a_picture_that_cannot_be_signed_is_delivered_unsigned(
    painter: Configure, assets_of: Make, chain: Chain, tmp_path: Path, settings: Any
) -> None:
    expired = make_chain(tmp_path, days=-1)
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = str(expired.certificate), str(expired.key)
    painter()
    item = edited(assets_of).items.get()
    assert item.state == ItemState.SUCCEEDED
    assert item.output.making == "ai"
    assert item.output.current.metadata.get("c2pa") is None
