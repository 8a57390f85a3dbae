"""Pictures that SKUs lack: from their coverage through the studio to the link of what was approved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam import editing
from dam.models import SKU, Asset, AssetOrigin, AssetState
from generation.models import GenerationJob, Verdict
from generation.review import approve, regenerate
from generation.running import run_job
from tests.factories import AssetFactory, SKUFactory
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
PLAN, JOBS = "/api/v1/generation/plans/fill/", "/api/v1/generation/jobs/"
FILL, STUDIO = "/admin/generation/studio/fill/", "/admin/generation/studio/"


@pytest.fixture
def page(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def ticked(*cells: tuple[str, str], rows: tuple[str, ...] = ()) -> str:
    keys = dict(SKU.objects.values_list("code", "pk"))
    pairs = [("cell", f"{keys[code]}:{role}") for code, role in cells] + [
        ("row", keys[code]) for code in rows
    ]
    return f"{FILL}?{urlencode(pairs)}"


def address_of(response: Any) -> QueryDict:
    assert response.status_code == 302, response.content
    assert response["Location"].startswith(STUDIO)
    return QueryDict(response["Location"].partition("?")[2])


def links(asset: Asset) -> set[tuple[str, str]]:
    return set(asset.sku_links.values_list("sku__code", "role"))


class TestTheWayIntoTheStudio:
    @pytest.mark.parametrize(
        ("role", "kind", "selection"),
        [("on_model", "outfits", "garments"), ("scene", "scenes", "products"), ("detail", "edit", "assets")],
    )
    def test_one_role_goes_there_with_its_pictures(
        self, page: Client, role: str, kind: str, selection: str
    ) -> None:
        shirt, hat = (AssetFactory(kind="model", skus=[(code, "packshot")]) for code in ("SHIRT", "HAT"))
        sent = address_of(page.get(ticked(("SHIRT", role), ("HAT", role))))
        assert (sent["kind"], sent["fill_role"]) == (kind, role)
        assert sent.getlist("fill") == ["HAT", "SHIRT"]
        assert sent[selection] == f"{hat.public_id},{shirt.public_id}"
        assert bool(sent.get("instruction")) == (kind == "edit")

        studio = page.get(f"{STUDIO}?{sent.urlencode()}")
        assert studio.status_code == 200
        picked = {picker.name: list(picker.picked) for picker in studio.context["pickers"]}
        assert picked[selection] == [hat, shirt]
        html = studio.content.decode()
        assert '<input type="hidden" name="fill" value="SHIRT">' in html
        assert "of HAT, SHIRT" in html

    def test_the_best_picture_is_taken(self, page: Client) -> None:
        AssetFactory(skus=[("SHIRT", "on_model")])
        approved = AssetFactory(skus=[("SHIRT", "packshot")])
        AssetFactory(skus=[("SHIRT", "packshot")], state=AssetState.DRAFT)
        AssetFactory(skus=[("SHIRT", "packshot")], rights_expire_on="2020-01-01")
        AssetFactory(skus=[("SHIRT", "packshot")], state=AssetState.REJECTED)
        AssetFactory(skus=[("SHIRT", "packshot")], state=AssetState.IN_REVIEW, origin=AssetOrigin.GENERATED)
        assert address_of(page.get(ticked(("SHIRT", "scene"))))["products"] == str(approved.public_id)

    def test_several_roles_and_skus_without_pictures_are_shown_first(self, page: Client) -> None:
        AssetFactory(skus=[("SHIRT", "packshot")])
        SKUFactory(code="BARE")
        response = page.get(ticked(("BARE", "scene"), rows=("SHIRT",)))
        assert response.status_code == 200
        steps = {step.filling.role: step.filling for step in response.context["steps"]}
        assert set(steps) == {"on_model", "detail", "scene"}
        assert [sku.code for sku in steps["scene"].without] == ["BARE"]
        assert [sku.code for sku in steps["scene"].sources] == ["SHIRT"]
        assert "no picture that one could be made from" in response.content.decode()

    @pytest.mark.parametrize("query", ["", "cell=x", "cell=1:hat", "row=x", "cell=999999:scene"])
    def test_nothing_ticked(self, page: Client, query: str) -> None:
        response = page.get(f"{FILL}?{query}")
        assert response.status_code == 400
        assert "Tick empty cells" in response.content.decode()

    def test_too_many_at_once(self, page: Client) -> None:
        skus = SKU.objects.bulk_create(SKU(code=f"S-{number}") for number in range(201))
        response = page.get(FILL, {"cell": [f"{sku.pk}:scene" for sku in skus]})
        assert "at most 200" in response.content.decode()

    def test_as_many_queries_for_many_as_for_few(self, page: Client) -> None:
        for number in range(8):
            AssetFactory(skus=[(f"S-{number}", "packshot")])

        def queries(count: int) -> int:
            address = ticked(*((f"S-{number}", "scene") for number in range(count)))
            page.get(address)
            with CaptureQueriesContext(connection) as captured:
                page.get(address)
            return len(captured)

        assert queries(1) == queries(8)

    def test_it_is_for_editors(self, client: Client, stranger: User) -> None:
        client.force_login(stranger)
        assert client.get(FILL).status_code == 302


class TestTheWayBack:
    def job(self, page: Client, query: str, **more: Any) -> GenerationJob:
        """Ordered in the studio as the browser does it, and run."""
        sent = address_of(page.get(query))
        form = {name: sent.getlist(name) for name in sent} | more | {"do": "run"}
        response = page.post(STUDIO, form)
        assert response.status_code == 302, response.context["problem"]
        job = GenerationJob.objects.get()
        run_job(job)
        return job

    def test_what_is_approved_fills_the_gap(self, page: Client, painter: Configure, assets_of: Make) -> None:
        painter()
        [scene] = assets_of("scene", 1)
        for code in ("SHIRT", "HAT"):
            AssetFactory(kind="garment", skus=[(code, "packshot")])
        job = self.job(
            page,
            ticked(("SHIRT", "scene"), ("HAT", "scene")),
            scenes=str(scene.public_id),
            provider=painter_name(),
        )
        for item in job.items.select_related("job", "output"):
            assert links(item.output) == set()
            approve(item, actor=None)
        assert {frozenset(links(item.output)) for item in job.items.all()} == {
            frozenset({("SHIRT", "scene")}), frozenset({("HAT", "scene")}),
        }  # fmt: skip

    def test_a_close_up_fills_its_own_role_and_only_for_those_that_lack_it(
        self, page: Client, painter: Configure
    ) -> None:
        painter()
        AssetFactory(skus=[("SHIRT", "packshot"), ("TROUSERS", "packshot")])
        job = self.job(page, ticked(("SHIRT", "detail")), provider=painter_name())
        again = regenerate(job.items.get(), actor=None, note="closer")
        run_job(GenerationJob.objects.get())
        again.refresh_from_db()
        approve(again, actor=None)
        assert links(again.output) == {("SHIRT", "detail")}

    def test_approved_in_the_library_is_approved(
        self, page: Client, painter: Configure, assets_of: Make, reviewer: User
    ) -> None:
        painter()
        [scene] = assets_of("scene", 1)
        AssetFactory(skus=[("SHIRT", "packshot")])
        job = self.job(page, ticked(("SHIRT", "scene")), scenes=str(scene.public_id), provider=painter_name())
        output = job.items.get().output
        editing.set_state([output], actor=reviewer, state=AssetState.APPROVED)
        assert links(output) == {("SHIRT", "scene")}
        assert job.items.get().verdict == Verdict.APPROVED

        editing.unlink_sku(output, SKU.objects.get(), "scene", actor=reviewer)
        editing.update_assets([output], actor=reviewer, changes={"title": "New"})
        assert links(output) == set()

    def test_a_sku_that_there_is_not_is_told(self, page: Client) -> None:
        asset = AssetFactory(skus=[("SHIRT", "packshot")])
        form = {"kind": "edit", "assets": str(asset.public_id), "instruction": "closer", "provider": "board"}
        for fill, sentence in (
            ({"fill": "NONE", "fill_role": "scene"}, "no SKU “NONE”"),
            ({"fill": "SHIRT", "fill_role": "hat"}, "“hat” is no role"),
        ):
            assert sentence in page.post(STUDIO, form | fill).context["problem"]


class TestByRest:
    def planned(self, api: APIClient, **asked: Any) -> dict[str, Any]:
        """By role."""
        answer = api.post(PLAN, asked, format="json")
        assert answer.status_code == 200, answer.content
        return {step["role"]: step for step in answer.json()["results"]}

    def test_a_plan_of_every_role_that_is_missing(
        self, staff_api: APIClient, painter: Configure, assets_of: Make
    ) -> None:
        engine = painter(price="0.04")
        models, [scene] = assets_of("model", 2), assets_of("scene", 1)
        shirt, hat = (AssetFactory(skus=[(code, "packshot")]) for code in ("SHIRT", "HAT"))
        AssetFactory(skus=[("HAT", "detail")])
        SKUFactory(code="BARE")
        steps = self.planned(
            staff_api,
            models=[str(asset.public_id) for asset in models],
            scenes=str(scene.public_id),
            instruction="Closer",
        )
        assert list(steps) == ["packshot", "on_model", "detail", "scene"]
        assert all(step["without"] == ["BARE"] for step in steps.values())
        counts = {role: step["plan"] and step["plan"]["picture_count"] for role, step in steps.items()}
        assert counts == {"packshot": None, "on_model": 4, "detail": 1, "scene": 2}
        assert steps["on_model"]["plan"]["cost"] == {"amount": 0.16, "currency": "USD"}
        assert [(one["sku"], one["picture"]["id"]) for one in steps["scene"]["sources"]] == [
            ("HAT", str(hat.public_id)), ("SHIRT", str(shirt.public_id)),
        ]  # fmt: skip
        assert steps["detail"]["order"]["instruction"] == "Closer"
        assert "instruction" not in steps["scene"]["order"]
        assert steps["packshot"]["order"] is None
        assert "link one to them first" in steps["packshot"]["problem"]
        assert (GenerationJob.objects.count(), engine.ledger) == (0, [])

    def test_the_page_makes_it_from_the_same_pictures(self, staff_api: APIClient, page: Client) -> None:
        for code in ("SHIRT", "HAT"):
            AssetFactory(skus=[(code, "packshot")])
        step = self.planned(staff_api, skus=["SHIRT", "HAT"], roles=["detail"])["detail"]
        sent = address_of(page.get(ticked(("SHIRT", "detail"), ("HAT", "detail"))))
        assert {name: sent[name] for name in ("kind", "assets", "instruction")} == {
            name: step["order"][name] for name in ("kind", "assets", "instruction")
        }
        assert step["order"]["fill"] == {"role": sent["fill_role"], "skus": sent.getlist("fill")}

    def test_only_what_is_missing_and_asked_for(self, staff_api: APIClient) -> None:
        AssetFactory(skus=[("SHIRT", "packshot"), ("SHIRT", "detail")])
        AssetFactory(skus=[("HAT", "packshot"), ("CAP", "packshot")])
        AssetFactory(skus=[("HAT", "detail")], state=AssetState.DRAFT)

        def skus(**asked: Any) -> list[str]:
            steps = self.planned(staff_api, roles=["detail"], **asked)
            return [one["sku"] for step in steps.values() for one in step["sources"]]

        assert skus() == ["CAP"]
        assert skus(approved_only=True) == ["CAP", "HAT"]
        assert skus(approved_only=True, skus=["HAT", "SHIRT"]) == ["HAT"]
        assert skus(approved_only=True, q="ha") == ["HAT"]
        assert skus(skus=["SHIRT"]) == []

    def test_what_else_it_takes_is_asked_for(self, staff_api: APIClient, assets_of: Make) -> None:
        AssetFactory(skus=[("SHIRT", "packshot")])
        step = self.planned(staff_api, roles=["on_model"])["on_model"]
        assert (step["plan"], step["problem"]) == (None, "Choose the models first.")
        [model] = assets_of("model", 1)
        order = {**step["order"], "models": str(model.public_id)}
        assert staff_api.post("/api/v1/generation/plans/", order, format="json").status_code == 200

    def test_its_order_makes_a_job_whose_approved_pictures_fill_the_gap(
        self, staff_api: APIClient, painter: Configure
    ) -> None:
        painter()
        AssetFactory(skus=[("SHIRT", "packshot"), ("TROUSERS", "packshot")])
        step = self.planned(staff_api, skus=["SHIRT"], roles=["detail"])["detail"]
        made = staff_api.post(JOBS, step["order"], format="json")
        assert made.status_code == 201, made.content
        job = GenerationJob.objects.get()
        run_job(job)
        item = job.items.select_related("job", "output").get()
        assert links(item.output) == set()
        approve(item, actor=None)
        assert links(item.output) == {("SHIRT", "detail")}
        assert list(self.planned(staff_api, skus=["SHIRT"], roles=["detail"])) == []

    def test_many_skus_come_in_parts(self, staff_api: APIClient) -> None:
        SKU.objects.bulk_create(SKU(code=f"S-{number:03}") for number in range(250))
        asked = {"roles": ["scene"], "q": "S-"}
        first = staff_api.post(PLAN, asked, format="json").json()
        assert (first["after"], len(first["results"][0]["without"])) == ("S-199", 200)
        rest = staff_api.post(PLAN, {**asked, "after": first["after"]}, format="json").json()
        assert (rest["after"], len(rest["results"][0]["without"])) == (None, 50)

    @pytest.mark.parametrize(
        ("asked", "status", "words"),
        [
            ({"skus": ["NONE"]}, 422, "There is no SKU “NONE”."),
            ({"roles": ["hat"]}, 400, "roles"),
            ({"skus": []}, 400, "skus"),
            ({"skus": ["S"] * 201}, 400, "skus"),
            ({"provider": "nowhere"}, 400, "provider"),
        ],
    )
    def test_what_cannot_be_is_told(
        self, staff_api: APIClient, asked: dict[str, Any], status: int, words: str
    ) -> None:
        answer = staff_api.post(PLAN, asked, format="json")
        assert answer.status_code == status
        assert words in answer.content.decode()

    def test_as_many_queries_for_many_as_for_few(self, staff_api: APIClient) -> None:
        for number in range(8):
            AssetFactory(skus=[(f"S-{number}", "packshot")])

        def queries(count: int) -> int:
            codes = [f"S-{number}" for number in range(count)]
            with CaptureQueriesContext(connection) as captured:
                assert self.planned(staff_api, skus=codes, roles=["detail"])["detail"]["plan"]
            return len(captured)

        queries(1)
        assert queries(1) == queries(8)

    def test_it_is_for_editors(self, api: APIClient, stranger: User) -> None:
        assert api.post(PLAN, {}, format="json").status_code == 401
        api.force_authenticate(stranger)
        assert api.post(PLAN, {}, format="json").status_code == 403


def painter_name() -> str:
    """The provider that this test configured."""
    return settings.GENERATION_PROVIDER
