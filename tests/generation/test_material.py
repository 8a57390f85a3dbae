"""What plans are made with: selections from tables, rules, templates with slots, styles."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from dam import editing
from dam.models import Asset, AuditEntry
from generation.models import CombinationRule, GenerationJob, PromptTemplate, StyleSet
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
API = "/api/v1/generation/"
PLANS, SELECTIONS, TEMPLATES, STYLES, RULES = (
    f"{API}{name}/" for name in ("plans", "selections", "templates", "styles", "rules")
)
STUDIO, ADMIN = "/admin/generation/studio/", "/admin/generation/"


def ids(assets: list[Asset]) -> list[str]:
    return [str(asset.public_id) for asset in assets]


def table(text: str, name: str = "looks.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode(), content_type="text/csv")


# --- Selections from tables -------------------------------------------------------------------------


@pytest.fixture
def wardrobe(assets_of: Make, editor: User) -> list[Asset]:
    """Four garments: by id, by SKU, and two in a collection."""
    garments = assets_of("garment", 4)
    editing.link_sku(garments[1], SKUFactory(code="TS-01"), actor=editor)
    editing.add_to_collection(CollectionFactory(pk=77), garments[2:], actor=editor)
    return garments


def test_a_table_names_assets_skus_and_collections_in_its_order(
    wardrobe: list[Asset], staff_api: APIClient, django_assert_max_num_queries: Any
) -> None:
    rows = f"sku,asset,collection\n,,77\nts-01,,\n,{wardrobe[0].public_id},\n,{wardrobe[0].public_id},\n"
    with django_assert_max_num_queries(14):
        answer = staff_api.post(SELECTIONS, {"selection": "garments", "table": table(rows)})
    assert answer.status_code == 200, answer.json()
    expected = [wardrobe[2], wardrobe[3], wardrobe[1], wardrobe[0]]
    assert answer.json()["names"] == ",".join(ids(expected))
    assert [asset["id"] for asset in answer.json()["assets"]] == ids(expected)


def test_each_wrong_row_of_a_table_is_named(wardrobe: list[Asset], staff_api: APIClient) -> None:
    rows = "asset,sku\nnonsense,\n,TS-01\n,NONE\n"
    answer = staff_api.post(SELECTIONS, {"selection": "garments", "table": table(rows)})
    assert answer.status_code == 422
    assert [(fault["row"], fault["sentence"]) for fault in answer.json()["faults"]] == [
        (2, "“nonsense” is neither an asset's id nor sku:CODE nor collection:ID."),
        (4, "Nothing was found for “sku:NONE”."),
    ]
    for text, said in (("colour\nred\n", "names none of the columns"), ("", "The table")):
        wrong = staff_api.post(SELECTIONS, {"selection": "garments", "table": table(text or "\n")})
        assert wrong.status_code == 422
        assert said in json.dumps(wrong.json(), ensure_ascii=False)


def test_the_studio_takes_a_table_and_says_which_row_is_wrong(
    wardrobe: list[Asset], assets_of: Make, painter: Configure, client: Client, editor: User
) -> None:
    painter()
    client.force_login(editor)
    sent = {"kind": "outfits", "provider": "board", "models": ids(assets_of("model", 1)), "do": "table"}
    taken = client.post(STUDIO, {**sent, "table-garments": table("collection\n77\n")})
    wrong = client.post(STUDIO, {**sent, "do": "run", "table-garments": table("sku\nTS-01\nNONE\n")})
    picked = {picker.name: list(picker.picked) for picker in taken.context["pickers"]}
    assert picked["garments"] == wardrobe[2:]
    assert taken.context["plan"].picture_count == 2
    assert "Row 3: Nothing was found for “sku:NONE”." in wrong.content.decode()
    assert not GenerationJob.objects.exists()


def test_the_command_takes_tables(
    wardrobe: list[Asset], assets_of: Make, painter: Configure, tmp_path: Path
) -> None:
    painter()
    models = ",".join(ids(assets_of("model", 1)))
    file = tmp_path / "garments.csv"
    file.write_text("collection\n77\n")
    out = StringIO()
    words = ["outfits", "--models", models, "--garments-table", str(file), "--dry-run", "--json"]
    call_command("generate", *words, stdout=out)
    assert json.loads(out.getvalue())["planned"] == 2
    file.write_text("collection\n77\n78\n")
    with pytest.raises(CommandError, match="Row 3: There is no collection “78”"):
        call_command("generate", *words, stdout=StringIO())
    with pytest.raises(CommandError, match="The table cannot be read"):
        call_command("generate", *words[:4], str(tmp_path / "none.csv"), stdout=StringIO())


def test_scenes_are_chosen_by_their_names(
    painter: Configure, staff_api: APIClient, assets_of: Make, index_now: Callable[[], Any]
) -> None:
    painter()
    office = AssetFactory(kind="scene", title="Modern office", title_zh="现代办公室")
    outdoors = AssetFactory(kind="scene", title="Outdoor adventure", title_zh="户外探险")
    AssetFactory(kind="scene", title="Empty beach", title_zh="空旷海滩")
    [product] = assets_of("product", 1)
    index_now()
    sent = {"kind": "scenes", "products": ids([product]), "scenes": "modern office; 户外探险"}
    plan = staff_api.post(PLANS, sent, format="json").json()
    assert [cell["inputs"][1]["asset"] for cell in plan["cells"]] == ids([office, outdoors])
    nothing = staff_api.post(PLANS, {**sent, "scenes": ";".join(["x"] * 51)}, format="json")
    assert (nothing.status_code, "at most 50" in nothing.json()["detail"]) == (422, True)


# --- Rules ------------------------------------------------------------------------------------------


@pytest.fixture
def clothes(assets_of: Make, editor: User) -> dict[str, Asset]:
    """A shirt, jeans and a skirt (each below a tag “bottom”), and a coat; tagged."""
    bottom = TagFactory(slug="bottom")
    TagFactory(slug="denim", label="Denim", parent=bottom)
    names = {"shirt": "shirt", "jeans": "denim", "skirt": "skirt", "coat": "coat"}
    made = {}
    for name, tag in names.items():
        made[name] = AssetFactory(kind="garment", title=name.title())
        editing.update_assets([made[name]], actor=editor, changes={}, add_tags=[tag])
    return made


def test_rules_leave_out_looks_with_two_bottoms_and_say_why(
    clothes: dict[str, Asset], assets_of: Make, painter: Configure, staff_api: APIClient
) -> None:
    painter()
    sent = {"kind": "outfits", "models": ids(assets_of("model", 2)), "garments": ids([*clothes.values()])}
    sent |= {"garments_together": 2}

    plan = staff_api.post(PLANS, sent, format="json").json()
    CombinationRule.objects.update(active=False)
    free = staff_api.post(PLANS, sent, format="json").json()

    assert plan["picture_count"] == 10  # of 2 × 6, without jeans and skirt together
    assert plan["excluded"] == [
        {
            "description": "Jeans × Skirt",
            "reason": "Rule “One bottom”: at most 1 of these in one picture.",
            "cells": 2,
        }
    ]
    assert (free["picture_count"], free["excluded"]) == (12, [])


def test_rules_are_kept_by_editors_in_both_places(
    clothes: dict[str, Asset],
    assets_of: Make,
    painter: Configure,
    staff_api: APIClient,
    client: Client,
    editor: User,
) -> None:
    painter()
    CombinationRule.objects.all().delete()
    made = staff_api.post(
        RULES, {"name": "No coat with a shirt", "terms": ["coat"], "others": ["shirt"]}, format="json"
    )
    wrong = staff_api.post(RULES, {"name": "Wrong", "terms": ["kind:hat"]}, format="json")
    sent = {"kind": "outfits", "models": ids(assets_of("model", 1)), "garments": ids([*clothes.values()])}
    plan = staff_api.post(PLANS, {**sent, "garments_together": 2}, format="json").json()
    client.force_login(editor)
    added = client.post(
        f"{ADMIN}combinationrule/add/",
        {"name": "One garment", "terms": "kind:garment", "others": "", "at_most": 1, "active": "on"},
    )
    refused = client.post(
        f"{ADMIN}combinationrule/add/", {"name": "Wrong", "terms": "kind:hat", "at_most": 1, "active": "on"}
    )
    none = staff_api.post(PLANS, {**sent, "garments_together": 2}, format="json").json()

    assert (made.status_code, wrong.status_code) == (201, 400)
    assert "There is no kind “hat”" in json.dumps(wrong.json(), ensure_ascii=False)
    assert [left["reason"] for left in plan["excluded"]] == [
        "Rule “No coat with a shirt”: these do not go together."
    ]
    assert (added.status_code, refused.status_code, none["picture_count"]) == (302, 200, 0)
    assert "There is no kind “hat”" in refused.content.decode()
    assert CombinationRule.objects.count() == 2
    assert AuditEntry.objects.filter(action="rule.saved").count() == 2


# --- Templates and slots ------------------------------------------------------------------------------

SEASON = {
    "key": "season",
    "kind": "outfits",
    "name": "By season",
    "name_zh": "按季节",
    "text": "{pictures}\nA look for {season}{accessory}, {age} years old.",
    "text_zh": "{pictures}\n{season}造型{accessory}，{age}岁。",
    "slots": [
        {"name": "season", "type": "choice", "choices": ["summer", "winter"], "label": "Season"},
        {"name": "age", "type": "number", "default": "30"},
    ],
}


def test_a_template_is_kept_version_by_version_and_fills_its_slots(
    painter: Configure, assets_of: Make, staff_api: APIClient
) -> None:
    painter()
    first = staff_api.post(TEMPLATES, SEASON, format="json")
    second = staff_api.post(TEMPLATES, {**SEASON, "text": "{pictures}\nNow {season}."}, format="json")
    sent = {"kind": "outfits", "models": ids(assets_of("model", 1)), "garments": ids(assets_of("garment", 1))}

    def prompt(template: str, **slots: str) -> Any:
        answer = staff_api.post(PLANS, {**sent, "template": template, "slots": slots}, format="json").json()
        return answer["cells"][0]["prompt"].split("\n")[-1] if "cells" in answer else answer["detail"]

    assert [answer.json()["version"] for answer in (first, second)] == ["1", "2"]
    assert PromptTemplate.objects.count() == 2
    assert prompt("season", season="winter") == "Now winter."
    assert prompt("season@1", season="summer") == "A look for summer, 30 years old."
    assert prompt("season", season="spring") == (
        "“spring” is no choice of “Season”. Choose one of: summer, winter."
    )
    assert prompt("season", season="winter", age="old") == "“age” is a number; “old” is none."
    assert prompt("season") == "Fill in “Season”."
    assert prompt("season", season="winter", hue="red") == (
        "The template “By season” has no slot “hue”. Its slots: age, season."
    )
    assert "There is no template “nothing”" in prompt("nothing")
    assert "is for “Edit”" in prompt("background")
    listed = {template["key"]: template for template in staff_api.get(TEMPLATES).json()}
    assert (listed["season"]["version"], listed["season"]["built_in"]) == ("2", False)
    assert {"outfits", "scenes", "composition", "edit", "background", "hair", "accessory"} <= set(listed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"key": "outfits"}, "comes with Atelier"),
        ({"text": "No pictures {season}"}, "needs {pictures}"),
        ({"text_zh": "{pictures} {colour}"}, "names {colour}, which is no slot"),
        ({"text": "{pictures} {season.__class__}"}, "is no name of a slot"),
        ({"text": "{pictures} {"}, "A brace is opened or closed alone"),
        ({"slots": [{"name": "season", "type": "choice"}]}, "needs its choices"),
        ({"slots": [{"name": "pictures"}]}, "The name “pictures” is taken"),
    ],
)
def test_a_wrong_template_is_refused_with_what_is_wrong(
    staff_api: APIClient, change: dict[str, Any], sentence: str
) -> None:
    answer = staff_api.post(TEMPLATES, {**SEASON, **change}, format="json")
    assert (answer.status_code, PromptTemplate.objects.count()) == (422, 0)
    assert sentence in answer.json()["detail"]


def test_a_template_begins_with_one_that_comes_along(client: Client, editor: User) -> None:
    client.force_login(editor)
    listed = client.get(f"{ADMIN}prompttemplate/").content.decode()
    form = client.get(f"{ADMIN}prompttemplate/add/?from=background").context["adminform"].form
    sent = {name: form[name].value() or "" for name in form.fields}
    kept = client.post(f"{ADMIN}prompttemplate/add/", {**sent, "key": "wall"})
    taken = client.post(f"{ADMIN}prompttemplate/add/", {**sent, "key": "background"})
    row = PromptTemplate.objects.get()
    assert "/prompttemplate/add/?from=background" in listed
    assert (kept.status_code, row.key, row.kind) == (302, "wall", "edit")
    assert "Replace the background by {background}." in row.text
    assert [slot["name"] for slot in row.slots] == ["background"]
    assert "comes with Atelier; choose another key" in taken.content.decode()


def test_a_template_is_written_and_previewed_in_the_admin(
    client: Client, editor: User, staff_api: APIClient
) -> None:
    client.force_login(editor)
    sent = {**SEASON, "slots": json.dumps(SEASON["slots"])}
    added = client.post(f"{ADMIN}prompttemplate/add/", sent)
    row = PromptTemplate.objects.get()
    changed = client.post(f"{ADMIN}prompttemplate/{row.pk}/change/", {**sent, "name": "Seasons"})
    wrong = client.post(f"{ADMIN}prompttemplate/add/", {**sent, "text": "nothing"})
    shown = client.get(f"{ADMIN}prompttemplate/{row.pk}/change/").content.decode()
    said = staff_api.post(
        f"{TEMPLATES}preview/",
        {"template": "season", "kind": "outfits", "slots": {"season": "winter"}, "language": "zh"},
        format="json",
    )
    assert (added.status_code, changed.status_code) == (302, 302)
    versions = PromptTemplate.objects.order_by("version").values_list("version", "name")
    assert list(versions) == [(1, "By season"), (2, "Seasons")]
    assert "needs {pictures}" in wrong.content.decode()
    assert "A look for summer, 30 years old." in shown
    assert said.json()["template"] == "season@2"
    assert said.json()["prompt"].endswith("winter造型，30岁。")


@pytest.mark.parametrize(
    ("template", "slot", "says"),
    [
        ("background", "雪山", "把背景换成雪山。"),
        ("hair", "a short bob", "Change the person's hair to a short bob."),
    ],
)
def test_recipes_change_background_and_hair(
    painter: Configure, assets_of: Make, staff_api: APIClient, template: str, slot: str, says: str
) -> None:
    painter()
    sent = {"kind": "edit", "assets": ids(assets_of("model", 2)), "template": template}
    plan = staff_api.post(PLANS, {**sent, "slots": {template: slot}}, format="json").json()
    assert plan["picture_count"] == 2
    assert says in plan["cells"][0]["prompt"]
    job = staff_api.post(f"{API}jobs/", {**sent, "slots": {template: slot}}, format="json").json()
    assert slot in job["title"]


def test_an_accessory_is_put_on_each_picture(
    painter: Configure, assets_of: Make, staff_api: APIClient
) -> None:
    painter()
    sent = {"kind": "edit", "assets": ids(assets_of("model", 2)), "template": "accessory"}
    without = staff_api.post(PLANS, sent, format="json")
    plan = staff_api.post(
        PLANS, {**sent, "accessories": ids(assets_of("accessory", 2))}, format="json"
    ).json()
    assert "Choose the accessories" in without.json()["detail"]
    assert plan["picture_count"] == 4
    assert [given["role"] for given in plan["cells"][0]["inputs"]] == ["reference", "accessory"]
    assert "wears the accessory of Picture 2" in plan["cells"][0]["prompt"]


def test_the_studio_shows_the_slots_of_the_chosen_recipe_and_plans_with_them(
    painter: Configure, assets_of: Make, client: Client, editor: User
) -> None:
    painter()
    client.force_login(editor)
    sent = {
        "kind": "edit",
        "provider": "board",
        "assets": ids(assets_of("model", 1)),
        "template": "background",
    }
    empty = client.post(STUDIO, {**sent, "do": "template"})
    full = client.post(STUDIO, {**sent, "word-background": "a snowy forest"}, HTTP_X_FRAGMENT="plan")
    assert 'name="word-background"' in empty.content.decode()
    assert "id_instruction" not in empty.content.decode()
    assert empty.context["not_ready"] == "Fill in “Background”."
    assert "Replace the background by a snowy forest." in full.content.decode()


def test_the_command_takes_a_template_its_slots_and_a_style(painter: Configure, assets_of: Make) -> None:
    painter()
    StyleSet.objects.create(slug="noir", name="Noir", words="black and white, hard light")
    out = StringIO()
    words = ["--template", "background", "--slot", "background=a beach", "--style", "noir"]
    asset = ids(assets_of("model", 1))[0]
    call_command("generate", "edit", "--asset", asset, *words, "--dry-run", "--json", stdout=out)
    prompt = json.loads(out.getvalue())["outputs"][0]["prompt"]
    assert "Replace the background by a beach." in prompt
    assert prompt.endswith("Style: black and white, hard light.")


# --- Styles -----------------------------------------------------------------------------------------


def test_a_style_set_keeps_its_pictures_when_it_is_changed_in_the_admin(
    assets_of: Make, client: Client, editor: User
) -> None:
    client.force_login(editor)
    scenes = assets_of("scene", 2)
    sent = {"slug": "noir", "name": "Noir", "pictures": [asset.pk for asset in scenes]}
    client.post(f"{ADMIN}styleset/add/", sent)
    style = StyleSet.objects.get()
    page = client.get(f"{ADMIN}styleset/{style.pk}/change/")
    form = page.context["adminform"].form
    again = {name: form[name].value() or "" for name in form.fields}
    changed = client.post(f"{ADMIN}styleset/{style.pk}/change/", {**again, "name": "Night"})
    style.refresh_from_db()
    assert (changed.status_code, style.name) == (302, "Night")
    assert set(style.pictures.all()) == set(scenes)
    assert all(asset.display_title in page.content.decode() for asset in scenes)
    assert AuditEntry.objects.filter(action="style.saved").count() == 2


def test_a_style_set_gives_its_pictures_words_and_what_is_not_to_be_seen(
    painter: Configure, assets_of: Make, staff_api: APIClient
) -> None:
    painter(max_inputs=4)
    pictures = assets_of("scene", 3)
    made = staff_api.post(
        STYLES,
        {
            "slug": "noir",
            "name": "Noir",
            "words": "hard light",
            "words_zh": "硬光",
            "negative": "colour",
            "pictures": ids(pictures),
        },
        format="json",
    )
    sent = {"kind": "outfits", "models": ids(assets_of("model", 1)), "garments": ids(assets_of("garment", 1))}
    plan = staff_api.post(PLANS, {**sent, "style": "noir", "negative": "hats"}, format="json").json()
    board = staff_api.post(PLANS, {**sent, "style": "noir", "provider": "board"}, format="json").json()

    assert made.status_code == 201, made.json()
    [cell] = plan["cells"]
    assert [given["role"] for given in cell["inputs"]] == ["model", "garment", "reference", "reference"]
    assert "Picture 3: a style reference (Scene 1)" in cell["prompt"]
    assert "Style: hard light. Take light, colours and mood from the style references" in cell["prompt"]
    assert cell["prompt"].endswith("The picture is free of: hats, colour.")
    assert [left["description"] for left in plan["excluded"]] == ["Scene 3"]
    assert plan["parameters"]["style"] == "noir"
    assert [given["role"] for given in board["cells"][0]["inputs"]] == ["model", "garment"]
    nothing = staff_api.post(PLANS, {**sent, "style": "none-such"}, format="json")
    assert "There is no style set “none-such”. Known: noir." in nothing.json()["detail"]
    assert staff_api.delete(f"{STYLES}noir/").status_code == 204
    assert AuditEntry.objects.filter(action__startswith="style.").count() == 2


def test_more_is_made_in_the_style_of_a_picture(
    painter: Configure, assets_of: Make, client: Client, editor: User
) -> None:
    painter()
    client.force_login(editor)
    [liked] = assets_of("other", 1)
    opened = client.get(STUDIO, {"kind": "outfits", "like": str(liked.public_id)})
    sent = {"kind": "outfits", "provider": opened.context["form"]["provider"].value(), "like": ids([liked])}
    sent |= {"models": ids(assets_of("model", 1)), "garments": ids(assets_of("garment", 1))}
    client.post(STUDIO, {**sent, "do": "run"})
    assert opened.context["like"] == [liked]
    item = GenerationJob.objects.get().items.get()
    assert list(item.inputs.values_list("role", "asset"))[-1] == ("reference", liked.pk)
    assert "Style: Take light, colours and mood" in item.prompt


# --- A large matrix -----------------------------------------------------------------------------------


def test_a_large_matrix_is_shown_part_by_part_in_as_many_queries(
    painter: Configure,
    assets_of: Make,
    client: Client,
    editor: User,
    staff_api: APIClient,
    django_assert_max_num_queries: Any,
) -> None:
    painter()
    client.force_login(editor)
    models, garments = assets_of("model", 25), assets_of("garment", 20)
    sent = {"kind": "outfits", "provider": "board", "models": ids(models), "garments": ids(garments)}
    sent |= {"garments_together": 2}  # 25 × 190
    with django_assert_max_num_queries(25):
        first = client.post(STUDIO, sent, HTTP_X_FRAGMENT="plan").content.decode()
    with django_assert_max_num_queries(25):
        last = client.post(STUDIO, {**sent, "at": "20:176"}, HTTP_X_FRAGMENT="matrix").content.decode()
    assert first.count('<span class="st-matrix__cell">') == 20 * 16
    assert "Rows 1–20 of 25" in first
    assert "Columns 1–16 of 190" in first
    assert last.count('<span class="st-matrix__cell">') == 5 * 14
    assert '<span class="st-matrix__cell">4,750</span>' in last
    assert "<h2" not in last
    body = {name: ",".join(value) for name, value in sent.items() if name in ("models", "garments")}
    body |= {"kind": "outfits", "garments_together": 2, "offset": 4700}
    plan = staff_api.post(PLANS, body, format="json").json()
    assert (plan["picture_count"], len(plan["cells"])) == (4750, 50)
