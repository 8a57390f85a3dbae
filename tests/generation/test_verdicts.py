"""Verdicts on many at once, their history, taking them back, and what becomes of rejected pictures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from dam import editing
from dam.models import Asset, AssetState, AuditEntry, Collection, FieldRule, SKURole
from generation.models import GenerationItem, GenerationJob, ItemState, JobState, Verdict, VerdictEntry
from generation.orders import Order, plan_order
from generation.planning import plan_edit, plan_outfits
from generation.running import create_job, run_job
from generation.tasks import remove_rejected
from search.query import Filters, SearchRequest
from search.spaces import index_of, live_spaces
from search.where import Where
from tests.clients import api_of
from tests.factories import AssetFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., "Painter"]
REVIEW = "/admin/generation/review/"
VERDICT, UNDO = f"{REVIEW}verdict/", f"{REVIEW}undo/"
JSON = {"HTTP_ACCEPT": "application/json"}
ITEMS = "/api/v1/generation/items/"


@pytest.fixture
def results(painter: Configure, assets_of: Make) -> Callable[[int], list[GenerationItem]]:
    """`results(4)`: that many that wait for review, each of a garment of its own with its SKU."""

    def make(count: int) -> list[GenerationItem]:
        painter()
        models, garments = assets_of("model", 1), assets_of("garment", count)
        for number, garment in enumerate(garments):
            editing.link_sku(garment, f"TS-{garment.pk}-{number}", actor=None)
        job = create_job(plan_outfits(models, garments), owner=None)
        run_job(job)
        return list(job.items.select_related("output", "job").order_by("position"))

    return make


def keys(items: list[GenerationItem]) -> list[str]:
    return [str(item.public_id) for item in items]


def states(items: list[GenerationItem]) -> list[tuple[str, str]]:
    found = GenerationItem.objects.filter(pk__in=[item.pk for item in items]).order_by("position")
    return list(found.values_list("verdict", "output__state"))


@pytest.mark.parametrize("verdict", ["approve", "reject", "regenerate"])
def test_a_verdict_on_many_takes_as_many_queries_as_on_few(
    staff: Client, results: Callable[[int], list[GenerationItem]], verdict: str
) -> None:
    taken = []
    for count in (2, 9):
        items = results(count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            told = staff.post(VERDICT, {"verdict": verdict, "items": keys(items)}, **JSON).json()
        assert sorted(told["done"]) == sorted(keys(items))
        with CaptureQueriesContext(connection) as undoing:
            staff.post(UNDO, {"deed": told["last"]["deed"]})
        assert states(items) == [("", AssetState.IN_REVIEW)] * count
        taken.append((len(queries), len(undoing)))
    assert taken[0] == taken[1]


def test_many_are_approved_at_one_stroke_and_each_is_audited(
    staff: Client, reviewer: User, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(3)
    editing.trash([items[1].output], actor=None)

    sent = {"verdict": "approve", "note": "for spring", "sku_role": "detail", "items": keys(items)}
    told = staff.post(VERDICT, sent, **JSON).json()

    assert told["done"] == keys([items[0], items[2]])
    assert told["refused"] == [
        {"id": str(items[1].public_id), "reason": "The picture is in the trash; restore it first."}
    ]
    assert told["last"]["words"] == "Approved: 2"
    assert [item.output.sku_links.get().role for item in (items[0], items[2])] == [SKURole.DETAIL] * 2
    assert not items[1].output.sku_links.exists()
    audited = AuditEntry.objects.filter(action="item.approved", actor=reviewer)
    assert {entry.target_id for entry in audited} == {*told["done"]}
    assert VerdictEntry.objects.values("deed").distinct().count() == 1
    shop = Asset.objects.for_storefront()
    assert [shop.filter(pk=item.output_id).exists() for item in items] == [True, False, True]


def test_one_that_lacks_a_required_field_is_left_and_its_skus_with_it(
    staff: Client, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(2)
    editing.update_assets([items[0].output], actor=None, changes={"licence": "Own"})
    FieldRule.objects.create(state="approved", required=["licence", "skus"])

    told = staff.post(VERDICT, {"verdict": "approve", "items": keys(items)}, **JSON).json()

    assert told["done"] == keys(items[:1])
    assert "it still needs: “Licence”. Fill" in told["refused"][0]["reason"]
    assert states(items) == [("approved", "approved"), ("", "in_review")]
    assert (items[0].output.sku_links.count(), items[1].output.sku_links.count()) == (1, 0)


def test_the_last_verdict_is_taken_back_whole(
    staff: Client, reviewer: User, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(2)
    staff.post(VERDICT, {"verdict": "reject", "note": "dark", "items": keys(items)}, **JSON)
    told = staff.post(VERDICT, {"verdict": "approve", "items": keys(items)}, **JSON).json()
    assert states(items) == [("approved", "approved")] * 2
    shown = staff.get(REVIEW).content.decode()
    assert f'name="deed" value="{told["last"]["deed"]}"' in shown
    assert "Approved: 2" in shown

    answer = staff.post(UNDO, {"deed": told["last"]["deed"]}, follow=True)

    assert "2 verdicts taken back." in answer.content.decode()
    assert states(items) == [("rejected", "rejected")] * 2
    item = GenerationItem.objects.get(pk=items[0].pk)
    assert (item.verdict_note, item.reviewed_by) == ("dark", reviewer)
    assert not item.output.sku_links.exists()
    assert AuditEntry.objects.filter(action="item.verdict_undone").count() == 2
    again = staff.post(UNDO, {"deed": told["last"]["deed"]}, follow=True)
    assert "There is no verdict to take back." in again.content.decode()
    assert states(items) == [("rejected", "rejected")] * 2
    assert staff.get(UNDO).status_code == 404
    assert staff.post(UNDO, {"deed": "x"}).status_code == 404


def test_the_history_keeps_every_verdict_and_who_took_which_back(
    staff: Client, reviewer_api: APIClient, reviewer: User, results: Callable[[int], list[GenerationItem]]
) -> None:
    [item] = results(1)
    reviewer_api.post(f"{ITEMS}{item.public_id}/reject/", {"note": "The collar is wrong."})
    reviewer_api.post(f"{ITEMS}{item.public_id}/approve/", {"note": "No, it is right.", "sku_role": "detail"})
    deed = str(VerdictEntry.objects.first().deed)
    assert reviewer_api.post(f"{ITEMS}undo/", {"deed": deed}).json() == {"count": 1, "reasons": []}
    assert reviewer_api.post(f"{ITEMS}undo/", {"deed": deed}).status_code == 409
    editing.set_state([item.output], actor=None, state=AssetState.APPROVED)

    told = reviewer_api.get(f"{ITEMS}{item.public_id}/history/").json()

    name = reviewer.get_username()
    assert [(one["verdict"], one["note"], one["actor"], one["undone_by"]) for one in told] == [
        ("approved", "The collar is wrong.", "", None),
        ("approved", "No, it is right.", name, name),
        ("rejected", "The collar is wrong.", name, None),
    ]
    shown = staff.get(f"{REVIEW}{item.public_id}/").content.decode()
    assert "No, it is right." in shown
    assert "Taken back by" in shown
    assert "In the library" in shown


def test_what_was_judged_anew_or_moved_on_is_not_taken_back(
    reviewer_api: APIClient, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(3)
    sent = {"verdict": "reject", "items": keys(items)}
    deed = reviewer_api.post(f"{ITEMS}verdicts/", sent, format="json").json()["deed"]
    reviewer_api.post(f"{ITEMS}{items[0].public_id}/approve/")
    editing.set_state([items[1].output], actor=None, state=AssetState.ARCHIVED)

    told = reviewer_api.post(f"{ITEMS}undo/", {"deed": deed}).json()

    assert told["count"] == 1
    assert len(told["reasons"]) == 2
    assert states(items) == [("approved", "approved"), ("rejected", "archived"), ("", "in_review")]


def test_a_picture_that_is_not_begun_is_made_no_more_when_its_verdict_is_taken_back(
    reviewer_api: APIClient, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(2)
    job = items[0].job
    sent = {"verdict": "regenerate", "note": "longer", "items": keys(items)}
    judged = reviewer_api.post(f"{ITEMS}verdicts/", sent, format="json").json()
    assert GenerationJob.objects.get(pk=job.pk).state == JobState.QUEUED
    made = job.items.get(public_id=judged["again"][0])
    GenerationItem.objects.filter(pk=made.pk).update(state=ItemState.SUCCEEDED)

    reviewer_api.post(f"{ITEMS}undo/", {"deed": judged["deed"]})

    assert states(items) == [("", "in_review")] * 2
    assert list(job.items.order_by("position").values_list("state", flat=True)[2:]) == [
        ItemState.SUCCEEDED,
        ItemState.CANCELLED,
    ]
    assert GenerationJob.objects.get(pk=job.pk).state == JobState.FINISHED


def test_a_verdict_of_somebody_else_takes_a_reviewer_to_take_back(
    reviewer_api: APIClient, editor: User, results: Callable[[int], list[GenerationItem]]
) -> None:
    [item] = results(1)
    sent = {"verdict": "reject", "items": keys([item])}
    deed = reviewer_api.post(f"{ITEMS}verdicts/", sent, format="json").json()["deed"]
    other = api_of(editor)
    refused = other.post(f"{ITEMS}verdicts/", {"verdict": "approve", "items": keys([item])}, format="json")
    assert (refused.json()["done"], len(refused.json()["refused"])) == ([], 1)
    assert other.post(f"{ITEMS}undo/", {"deed": deed}).status_code == 403
    assert states([item]) == [("rejected", "rejected")]


def test_a_rejection_in_the_library_is_a_verdict_too(
    results: Callable[[int], list[GenerationItem]], staff: Client
) -> None:
    [item] = results(1)
    editing.set_state([item.output], actor=None, state=AssetState.REJECTED)
    item.refresh_from_db()
    assert item.verdict == Verdict.REJECTED
    shown = staff.get(REVIEW, {"show": "rejected"})
    assert str(item.public_id) in shown.content.decode()
    assert [(name, count) for name, _label, count in shown.context["shelves"]] == [
        ("waiting", 0), ("approved", 0), ("rejected", 1), ("again", 0),
    ]  # fmt: skip


def test_an_edited_picture_shows_the_skus_of_its_source_as_that_does(
    painter: Configure, assets_of: Make, reviewer_api: APIClient
) -> None:
    painter()
    [product] = assets_of("product", 1)
    editing.link_sku(product, "MUG-1", SKURole.DETAIL, actor=None)
    job = create_job(plan_edit(product, "in blue"), owner=None)
    run_job(job)
    item = job.items.get()

    reviewer_api.post(f"{ITEMS}{item.public_id}/approve/")

    assert [(link.sku.code, link.role) for link in item.output.sku_links.all()] == [("MUG-1", "detail")]


def test_a_result_is_looked_at_beside_each_of_its_inputs(
    staff: Client, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(3)
    address = f"{REVIEW}{items[1].public_id}/"

    shown = staff.get(address, {"order": "oldest", "input": "2"})

    assert (shown.context["place"], shown.context["queue_length"]) == (2, 3)
    assert shown.context["previous"]["address"] == f"{REVIEW}{items[0].public_id}/?order=oldest"
    assert shown.context["next"]["id"] == str(items[2].public_id)
    assert shown.context["beside"].kind == "garment"
    assert "data-overlay" not in shown.content.decode()
    swipe = staff.get(address, {"view": "swipe", "input": "99"})
    assert "data-overlay" in swipe.content.decode()
    assert swipe.context["number"] == 2
    chinese = staff.get(address, HTTP_ACCEPT_LANGUAGE="zh-hans")
    assert chinese.status_code == 200
    # A verdict leads to the next one; on the last one, back to the grid.
    sent = {"verdict": "reject", "look": keys(items)[1], "next": keys(items)[2], "order": "oldest"}
    answer = staff.post(f"{VERDICT}?only={items[1].public_id}", sent, HTTP_ACCEPT="text/html")
    assert answer["Location"] == f"{REVIEW}{items[2].public_id}/?order=oldest"
    editing.trash([items[2].output], actor=None)
    sent = {"verdict": "approve", "look": keys(items)[2]}
    answer = staff.post(f"{VERDICT}?only={items[2].public_id}", sent, HTTP_ACCEPT="text/html")
    assert answer["Location"] == f"{REVIEW}{items[2].public_id}/"
    assert staff.get(f"{REVIEW}00000000-0000-0000-0000-000000000000/").status_code == 404


def test_the_grid_begins_where_it_is_asked_to_and_keeps_the_place(
    staff: Client, results: Callable[[int], list[GenerationItem]]
) -> None:
    items = results(3)

    def seen(**asked: Any) -> tuple[list[str], Any, Any]:
        shown = staff.get(REVIEW, {"order": "oldest", **asked}).context["shown"]
        return keys(shown.results), shown.previous, shown.next

    assert seen() == (keys(items), None, None)
    assert seen(**{"from": "2"}) == (keys(items[2:]), 0, None)
    for nonsense in ("-1", "two", "9" * 40, "3", "999999999"):  # behind the end: the last page
        assert seen(**{"from": nonsense})[0] == keys(items)
    html = staff.get(REVIEW, {"order": "oldest", "from": "1"}).content.decode()
    assert (
        f"{reverse('admin:generation_review_look', args=[items[1].public_id])}?order=oldest&amp;from=1"
        in html
    )
    answer = staff.post(VERDICT, {"verdict": "approve", "items": keys(items[1:2]), "from": "1"})
    assert answer.url == f"{REVIEW}?from=1"


def test_the_grid_takes_as_many_queries_for_many_as_for_few(
    staff: Client, results: Callable[[int], list[GenerationItem]]
) -> None:
    taken = []
    for count in (2, 9):
        results(count)
        staff.get(REVIEW)
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(REVIEW).status_code == 200
        taken.append(len(queries))
    assert taken[0] == taken[1]


def test_an_edit_begins_in_the_studio_with_the_result(
    staff: Client, results: Callable[[int], list[GenerationItem]], editor: User
) -> None:
    [item] = results(1)
    address = f"{reverse('admin:generation_studio')}?kind=edit&assets={item.output.public_id}"
    assert address.replace("&", "&amp;") in staff.get(REVIEW).content.decode()
    pickers = staff.get(address).context["pickers"]
    assert [picker.picked for picker in pickers if picker.picked] == [[item.output]]
    order = Order("edit", {"assets": str(item.output.public_id)}, instruction="in blue")
    assert plan_order(order, user=editor).picture_count == 1


def test_rejected_pictures_are_kept_for_their_time_and_then_thrown_away(
    staff: Client, results: Callable[[int], list[GenerationItem]], settings: SettingsWrapper
) -> None:
    settings.GENERATION_REJECTED_DAYS = 7
    rejected, sent_back, used, fresh, approved = items = results(5)
    staff.post(VERDICT, {"verdict": "reject", "items": keys([rejected, used, fresh])}, **JSON)
    staff.post(VERDICT, {"verdict": "regenerate", "items": keys([sent_back])}, **JSON)
    staff.post(VERDICT, {"verdict": "approve", "items": keys([approved])}, **JSON)
    editing.add_to_collection(Collection.objects.create(name="Mood"), [used.output], actor=None)
    aged = timezone.now() - timedelta(days=8)
    old = [rejected.pk, sent_back.pk, used.pk, approved.pk]
    GenerationItem.objects.filter(pk__in=old).update(reviewed_at=aged)
    shown = staff.get(REVIEW, {"show": "rejected"}).content.decode()
    last_day = timezone.localdate(GenerationItem.objects.get(pk=fresh.pk).reviewed_at + timedelta(days=7))
    assert f"Kept until {last_day:%b}" in shown or f"Kept until {last_day.day}" in shown

    remove_rejected()

    assert [state for _verdict, state in states(items)] == [
        "trashed", "trashed", "rejected", "rejected", "approved",
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="asset.trashed").count() == 2
    remove_rejected()
    assert AuditEntry.objects.filter(action="asset.trashed").count() == 2
    settings.GENERATION_REJECTED_DAYS = 0
    GenerationItem.objects.filter(pk=fresh.pk).update(reviewed_at=aged)
    remove_rejected()
    assert states([fresh]) == [("rejected", "rejected")]
    assert "Kept until" not in staff.get(REVIEW, {"show": "rejected"}).content.decode()


def test_a_rejected_picture_is_no_candidate_unless_that_state_is_asked_for(
    staff: Client,
    reviewer_api: APIClient,
    results: Callable[[int], list[GenerationItem]],
    index_now: Callable[[], Any],
) -> None:
    rejected, waiting = results(2)
    shot = AssetFactory(title="Model 1 Garment 1", state=AssetState.REJECTED)  # taken, not made
    reviewer_api.post(f"{ITEMS}{rejected.public_id}/reject/")
    index_now()
    reviewer = staff.get(REVIEW).wsgi_request.user
    stranger = APIClient()

    def admitted(**filters: Any) -> set[int]:
        """What the index alone admits, before anything is ranked and before the database is asked."""
        where = Where(SearchRequest(filters=Filters(**filters)), reviewer)
        return set(index_of(live_spaces()[0]).matching(where.expression(reach=0), limit=100))

    def found(by: APIClient = reviewer_api, **asked: Any) -> set[str]:
        answer = by.get("/api/v1/search/", {"q": "Model 1 Garment", **asked}).json()
        return {row["id"] for row in answer["results"]} & set(map(str, [*made, shot.public_id]))

    made = [item.output.public_id for item in (rejected, waiting)]
    judged, open_still = map(str, made)
    assert admitted() & {rejected.output.pk, waiting.output.pk, shot.pk} == {waiting.output.pk, shot.pk}
    assert admitted(state=("rejected",)) == {rejected.output.pk, shot.pk}
    assert found() == {open_still, str(shot.public_id)}
    assert found(state="rejected", origin="generated") == {judged}
    garment = rejected.inputs.get(role="garment").asset
    like = reviewer_api.post("/api/v1/search/", {"like": str(garment.public_id)}, format="json").json()
    assert judged not in {row["id"] for row in like["results"]}
    for asked in ({"q": "Model 1 Garment 1"}, {"origin": "generated"}):
        page = staff.get(reverse("admin:search_page"), asked).content.decode()
        assert reverse("admin:dam_asset_change", args=[waiting.output.pk]) in page
        assert reverse("admin:dam_asset_change", args=[rejected.output.pk]) not in page
    assert found(stranger) == set()
    assert stranger.get(f"/api/v1/assets/{judged}/").status_code == 404
    assert stranger.get(f"/api/v1/provenance/{judged}/").status_code == 404

    # Approved, it is everywhere; rejected again, nowhere; taken back, everywhere.
    reviewer_api.post(f"{ITEMS}{rejected.public_id}/approve/")
    index_now()
    assert (found(), found(stranger)) == ({judged, open_still, str(shot.public_id)}, {judged})
    answer = staff.post(VERDICT, {"verdict": "reject", "items": keys([rejected])}, **JSON).json()
    assert found(stranger) == set(), "before the index has heard of it"
    index_now()
    assert (found(), found(stranger)) == ({open_still, str(shot.public_id)}, set())
    assert stranger.get(f"/api/v1/provenance/{judged}/").status_code == 404
    staff.post(UNDO, {"deed": answer["last"]["deed"]})
    index_now()
    assert (found(), found(stranger)) == ({judged, open_still, str(shot.public_id)}, {judged})
    assert rejected.output.pk in admitted()
    assert stranger.get(f"/api/v1/provenance/{judged}/").json()["generated"] is True


def test_the_api_tells_until_when_a_rejected_picture_stays(
    reviewer_api: APIClient, results: Callable[[int], list[GenerationItem]], settings: SettingsWrapper
) -> None:
    settings.GENERATION_REJECTED_DAYS = 7
    [item] = results(1)
    told: dict[str, Any] = reviewer_api.post(f"{ITEMS}{item.public_id}/reject/").json()
    assert told["leaves_on"] == (timezone.localdate() + timedelta(days=7)).isoformat()
    assert reviewer_api.post(f"{ITEMS}{item.public_id}/approve/").json()["leaves_on"] is None
