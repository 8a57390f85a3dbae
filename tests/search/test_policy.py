"""Policies: which assets get the dearer encoder, within which budget, and what becomes of the rest."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from PIL import Image

from dam import editing
from dam.models import AltTextSuggestion, Asset
from dam.signals import assets_deleted
from search import calibration, outbox, policy, spend, tasks
from search.encoders.paid import Answer, Call, PaidEncoder
from search.encoders.registry import get_encoder
from search.models import (
    Calibration,
    Embedding,
    IndexEntry,
    IndexState,
    PictureDescription,
    Space,
    SpaceCoverage,
    SpaceState,
    Spend,
    SpendAccount,
    SpendReservation,
)
from search.reconcile import reconcile
from search.spaces import active_spaces, index_of, live_space, live_spaces
from search.worker import work_off
from tests.factories import AssetFactory, CollectionFactory, TagFactory
from tests.pictures import picture
from tests.search import vendor_server as vendor
from tests.search.vendor_server import KEY, VendorServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "vendors")]
Drain = Callable[[], outbox.DrainReport]


@pytest.fixture
def chosen(settings: Any) -> Callable[..., None]:
    """`chosen("gemini", KINDS=["garment"])`: the policy of this test."""

    def configure(encoder: str, **criteria: Any) -> None:
        settings.SEARCH_POLICY, settings.SEARCH_QUALITY_ENCODER = "chosen", encoder
        for name, value in criteria.items():
            setattr(settings, f"SEARCH_QUALITY_{name}", value)

    return configure


def quality_space() -> Space:
    return Space.objects.get(coverage=SpaceCoverage.CHOSEN, state=SpaceState.LIVE)


def held(space: Space | None = None) -> set[int]:
    return {key for page in index_of(space or quality_space()).ids() for key in page}


def coloured(colour: str, **given: Any) -> Asset:
    """A plain picture; its file differs from every other's."""
    picture = given.pop("picture", {"colour": colour, "seed": Asset.objects.count()})
    return AssetFactory(picture=picture, **given)


def waiting() -> list[IndexEntry]:
    return list(IndexEntry.objects.filter(state=IndexState.PENDING).order_by("asset_key"))


def due_again() -> None:
    IndexEntry.objects.update(not_before=timezone.now())


def doctor() -> dict[str, tuple[str, str]]:
    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command("doctor", "--json", stdout=out)
    return {one["part"]: (one["level"], one["sentence"]) for one in json.loads(out.getvalue())}


def micros() -> int:
    return sum(Spend.objects.values_list("micros", flat=True))


# --- Who enters ----------------------------------------------------------------------------------


def test_the_chosen_enter_both_spaces_and_the_others_one(
    index_now: Drain, chosen: Any, vendors: VendorServer
) -> None:
    above = TagFactory(slug="hero")
    below = TagFactory(slug="front", parent=above)
    drawer = CollectionFactory()
    chosen("gemini", FIRST=1, TAGS=["hero"], COLLECTIONS=[drawer.pk], KINDS=["garment"])
    first, plain = AssetFactory(), AssetFactory()
    garment, tagged, collected = AssetFactory(kind="garment"), AssetFactory(), AssetFactory()
    editing.update_assets([tagged], actor=None, changes={}, add_tags=[below.slug])
    editing.add_to_collection(drawer, [collected], actor=None)
    assert policy.problem() == ""
    report = index_now()
    assert [space.encoder for space in live_spaces()] == [live_space().encoder, "gemini:gemini-embedding-2"]
    assert held() == {first.pk, garment.pk, tagged.pk, collected.pk}
    assert held(live_space()) == held() | {plain.pk}
    assert (report.indexed, report.failed, report.postponed) == (9, 0, "")
    assert [len(call.items) for call in vendors.made("gemini")] == [4]
    assert all(drift.clean for drift in reconcile()), "reconcile knows the policy"


def test_what_is_chosen_no_longer_leaves_and_comes_back_for_nothing(
    index_now: Drain, chosen: Any, vendors: VendorServer
) -> None:
    TagFactory(slug="hero")
    chosen("gemini", TAGS=["hero"])
    asset, other = AssetFactory(), AssetFactory()
    index_now()
    assert held() == set()
    editing.update_assets([asset], actor=None, changes={}, add_tags=["hero"])
    index_now()
    assert held() == {asset.pk}
    editing.update_assets([asset], actor=None, changes={}, remove_tags=["hero"])
    assert index_now().removed == 1
    assert held() == set()
    assert held(live_space()) == {asset.pk, other.pk}
    editing.update_assets([asset], actor=None, changes={}, add_tags=["hero"])
    index_now()
    assert held() == {asset.pk}
    editing.trash([asset], actor=None)
    index_now()
    editing.restore([asset], actor=None)
    index_now()
    assert held() == {asset.pk}
    assert len(vendors.made("gemini")) == 1, "one picture is paid for once"
    assert Spend.objects.get().asset_key == asset.pk


def test_the_sweep_follows_what_moves_without_touching_an_asset(
    chosen: Any, settings: Any, vendors: VendorServer
) -> None:
    above, tag = TagFactory(slug="hero"), TagFactory(slug="front")
    chosen("gemini", TAGS=["hero"])
    assets = [AssetFactory() for _ in range(3)]
    editing.update_assets(assets[:1], actor=None, changes={}, add_tags=["front"])
    tasks.sweep()
    assert held() == set()
    tag.parent = above
    tag.save()
    tasks.sweep()
    assert held() == {assets[0].pk}
    chosen("gemini", TAGS=[], FIRST=2)
    tasks.sweep()
    assert held() == {assets[0].pk, assets[1].pk}
    editing.trash([assets[0]], actor=None)
    tasks.sweep()
    assert held() == {assets[1].pk, assets[2].pk}
    # A setting that cannot be changes nothing until it is put right.
    chosen("nonsense")
    tasks.sweep()
    assert quality_space().encoder == "gemini:gemini-embedding-2"
    # No policy any more: the space is searched and paid for no longer, at once, and kept as it is.
    settings.SEARCH_POLICY = "one"
    AssetFactory()
    assert live_spaces() == [live_space()]
    tasks.sweep()
    left = Space.objects.get(coverage=SpaceCoverage.CHOSEN)
    assert left.state == SpaceState.RETIRED
    editing.update_assets([assets[1]], actor=None, changes={"kind": "prop"})
    # What is wanted again learns what changed meanwhile; what is being dropped is left alone.
    chosen("gemini")
    Space.objects.filter(pk=left.pk).update(state=SpaceState.DROPPING)
    assert [space.coverage for space in live_spaces()] == ["all"]
    Space.objects.filter(pk=left.pk).update(state=SpaceState.RETIRED)
    assert [space.coverage for space in live_spaces()] == ["all", "chosen"]
    tasks.sweep()
    assert all(drift.clean for drift in reconcile())
    assert len(vendors.made("gemini")) == 3


def test_a_policy_that_makes_no_sense_says_so_and_stops_no_upload(
    chosen: Any, settings: Any, index_now: Drain
) -> None:
    settings.SEARCH_POLICY = "some"
    assert "it is “one” or “chosen”" in policy.problem()
    for encoder, criteria, sentence in (
        ("", {}, "names no encoder"),
        ("gemini", {}, "chooses nothing"),
        ("gemini", {"KINDS": ["hat"]}, "names no kinds: hat"),
        ("gemini", {"KINDS": [], "TAGS": ["nobody"]}, "names no tags: nobody"),
        (settings.SEARCH_ENCODER, {"TAGS": [], "FIRST": 5}, "one of them has to be another"),
        ("nonsense", {"FIRST": 5}, "There is no encoder “nonsense”"),
    ):
        chosen(encoder, **criteria)
        assert sentence in policy.problem()
    AssetFactory()
    assert index_now().indexed == 1


def test_a_backlog_of_the_chosen_keeps_no_upload_waiting(
    chosen: Any, settings: Any, vendors: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen("gemini", FIRST=100)
    settings.SEARCH_BATCH_SIZE = 1
    monkeypatch.setattr("search.reindex.PIECE_SECONDS", 0.0)
    early = {AssetFactory().pk for _ in range(6)}
    assert work_off()
    assert held(live_space()) == early
    assert 0 < len(held()) < 6
    late = AssetFactory()
    assert work_off()
    assert late.pk in held(live_space()) - held()
    while work_off():
        pass
    assert held() == early | {late.pk}
    vendors.always["gemini"] = vendor.failing(503, "down")
    AssetFactory(), AssetFactory(), AssetFactory()
    assert not work_off(), "an outage is waited for"


# --- Budgets -------------------------------------------------------------------------------------


def test_a_used_up_budget_leaves_the_rest_pending_until_it_is_raised(
    index_now: Drain, chosen: Any, settings: Any, vendors: VendorServer
) -> None:
    chosen("openai", KINDS=["garment"])
    settings.SEARCH_VENDOR_CALLS = 1
    price = spend.to_micros(get_encoder("openai").ceiling_per_picture)
    assets = [coloured("red", kind="garment") for _ in range(4)]
    # One picture in words: 1,000 tokens in, 200 out. Of its ceiling, three times fit.
    paid = 1000 * 0.75 + 200 * 4.5
    settings.SEARCH_BUDGET_TOTAL = str(Decimal(int(2 * paid) + price) / 1_000_000)
    report = index_now()
    assert "The budget of openai:gpt-5.4-mini/text-embedding-3-large is used up" in report.postponed
    assert "SEARCH_BUDGET_TOTAL is raised" in report.postponed
    account = SpendAccount.objects.get()
    assert account.spent_micros == micros() <= int(2 * paid) + price
    assert SpendReservation.objects.count() == 0
    assert held(live_space()) == {asset.pk for asset in assets}, "the other space goes on"
    described = PictureDescription.objects.count()
    assert 2 <= described < 4
    assert {(entry.waits_for_budget, entry.attempts) for entry in waiting()} == {(True, 0)}
    # Nothing happens as long as the budget stays, and a change of words needs no money.
    calls = len(vendors.calls)
    tasks.sweep()
    assert (len(vendors.calls), len(waiting())) == (calls, 4)
    settings.SEARCH_BUDGET_TOTAL = "5"
    tasks.sweep()
    assert held() == {asset.pk for asset in assets}
    assert waiting() == []
    assert len(vendors.made("describe")) == 4, "no picture is described twice"
    assert SpendAccount.objects.get().spent_micros == micros()
    assert set(Spend.objects.filter(purpose="describe").values_list("asset_key", flat=True)) == {
        asset.pk for asset in assets
    }


def test_a_day_s_budget_lets_the_rest_go_on_tomorrow(
    index_now: Drain, chosen: Any, settings: Any, vendors: VendorServer
) -> None:
    chosen("gemini", FIRST=100)
    settings.SEARCH_PRICES = {"gemini-embedding-2": {"batch": 1}}
    settings.SEARCH_VENDOR_CALLS = 1
    assets = [AssetFactory() for _ in range(3)]
    # 258 tokens at 0.45 USD a million cost 117 millionths; set aside are 1,024 tokens, 461.
    settings.SEARCH_BUDGET_DAY = str(Decimal(117 + 461 + 50) / 1_000_000)
    index_now()
    assert len(held()) == 2
    (entry,) = waiting()
    assert "Today's budget" in entry.last_error
    assert timezone.localtime(entry.not_before).date() == timezone.localdate() + timedelta(days=1)
    SpendAccount.objects.update(day=timezone.localdate() - timedelta(days=1))  # a night passes
    tasks.sweep()
    assert held() == {asset.pk for asset in assets}
    account = SpendAccount.objects.get()
    assert (account.spent_micros, account.day_micros) == (3 * 117, 117)
    settings.SEARCH_BUDGET_DAY = "much"
    AssetFactory()
    assert "SEARCH_BUDGET_DAY is no amount: “much”" in index_now().postponed


def test_of_two_workers_that_reach_for_the_last_of_a_budget_one_gets_it(
    settings: Any, vendors: VendorServer
) -> None:
    encoder = get_encoder("gemini")
    price = encoder.ceiling_per_picture
    settings.SEARCH_BUDGET_TOTAL = str(Decimal(2 * spend.to_micros(price)) / 1_000_000)
    made: list[tuple[str, ...]] = []

    def send(keys: Any) -> Answer:
        made.append(tuple(keys))
        return Answer(price, 1)  # as dear as can be

    calls = [Call("embed", "m", (f"{n}",), price, "USD", send) for n in range(5)]  # type: ignore[arg-type]
    with pytest.raises(spend.BudgetExhausted):
        spend.Accountant().pay(encoder, calls, lambda call, answer: None)
    assert len(made) == 2
    assert SpendAccount.objects.get().spent_micros == 2 * spend.to_micros(price)


@pytest.mark.django_db(transaction=True)
def test_many_threads_never_pass_the_budget(settings: Any, vendors: VendorServer) -> None:
    encoder = get_encoder("gemini")
    price = encoder.ceiling_per_picture
    settings.SEARCH_BUDGET_TOTAL = str(Decimal(7 * spend.to_micros(price)) / 1_000_000)
    settings.SEARCH_VENDOR_CALLS = 2
    refused: list[str] = []
    made: list[str] = []

    def worker(number: int) -> None:
        def send(keys: Any) -> Answer:
            made.extend(keys)
            return Answer(price, 1)

        calls = [Call("embed", "m", (f"{number}.{n}",), price, "USD", send) for n in range(4)]  # type: ignore[arg-type]
        try:
            spend.Accountant().pay(encoder, calls, lambda call, answer: None)
        except spend.BudgetExhausted as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 7
    assert len(refused) >= 3
    assert SpendAccount.objects.get().spent_micros == micros() == 7 * spend.to_micros(price)


def test_what_a_dead_worker_set_aside_is_counted_as_spent(chosen: Any, settings: Any) -> None:
    encoder = get_encoder("gemini")
    call = Call("embed", "m", ("a" * 64,), Decimal("0.5"), "USD", lambda keys: Answer(Decimal(0), 0))  # type: ignore[arg-type]
    spend.Accountant(assets={"a" * 64: 7})._reserve(encoder, call)  # and then it is killed
    assert SpendAccount.objects.get().spent_micros == 500_000
    tasks.sweep()
    assert SpendReservation.objects.count() == 1, "it may still be at work"
    SpendReservation.objects.update(expires=timezone.now() - timedelta(seconds=1))
    tasks.sweep()
    assert SpendReservation.objects.count() == 0
    row = Spend.objects.get()
    assert (row.asset_key, row.micros, row.assumed) == (7, 500_000, True)
    assert SpendAccount.objects.get().spent_micros == 500_000


@pytest.mark.parametrize("encoder", ["openai", "dashscope", "gemini"])
def test_a_space_is_calibrated_within_the_budget(
    index_now: Drain,
    chosen: Any,
    settings: Any,
    vendors: VendorServer,
    monkeypatch: pytest.MonkeyPatch,
    client: Any,
    editor: Any,
    encoder: str,
) -> None:
    monkeypatch.setattr(calibration, "LEAST_PICTURES", 1)
    settings.SEARCH_VENDOR_CALLS = 1
    chosen(encoder, FIRST=100)
    AssetFactory()
    index_now()
    client.force_login(editor)
    vendor_encoder, space = get_encoder(encoder), quality_space()
    assert isinstance(vendor_encoder, PaidEncoder)
    batches = vendor_encoder.background_calls(calibration.sentences()[0])
    before, made = SpendAccount.objects.get().spent_micros, len(vendors.calls)
    ceiling = spend.to_micros(batches[0].ceiling)

    def sweep(budget: int) -> int:
        """The calls that a sweep makes within a budget in millionths."""
        settings.SEARCH_BUDGET_TOTAL = str(Decimal(budget) / 1_000_000)
        had = len(vendors.calls)
        tasks.sweep()
        account = SpendAccount.objects.get()
        assert account.spent_micros == micros() <= budget
        return len(vendors.calls) - had

    # Not one batch fits, and nobody is asked; the space that costs nothing is calibrated all the same.
    assert sweep(before + ceiling - 1) == 0
    assert Calibration.objects.get().space == live_space()
    told = client.get("/admin/search/space/spend/").text
    for sentence in (told, doctor()[f"calibration {space.encoder}"][1]):
        assert f"irrelevant among the vectors of {space.encoder}. The budget of" in sentence
    # One fits; what it cost is known, and the others wait.
    assert sweep(before + ceiling) == 1
    spent = Spend.objects.get(purpose="calibrate")
    assert (spent.asset_key, spent.sha256, spent.space, spent.calls) == (None, "", space, 1)
    assert SpendAccount.objects.get().spent_micros == before + spent.micros
    assert sweep(before + ceiling) == 0
    assert Calibration.objects.filter(space=space).count() == 0
    # With money enough the rest is asked for, and nothing twice.
    assert sweep(50_000_000) == len(batches) - 1
    calls = [call for call in vendors.calls[made:] if call.what != "other"]  # the doctor's cost nothing
    asked = [
        str(text).removeprefix("task: search result | query: ").strip()
        for call in calls
        for text in call.items
    ]
    assert sorted(asked) == sorted(dict.fromkeys(calibration.sentences()[0]))
    assert Calibration.objects.filter(space=space).count() == 1
    assert sweep(50_000_000) == 0
    assert not [part for part in doctor() if part.startswith("calibration")]
    assert SpendReservation.objects.count() == 0


def test_a_vendor_that_fails_while_a_space_is_calibrated_is_not_asked_at_each_sweep(
    index_now: Drain, chosen: Any, vendors: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "LEAST_PICTURES", 1)
    chosen("gemini", FIRST=100)
    AssetFactory()
    index_now()
    made = len(vendors.calls)
    vendors.always["gemini"] = vendor.hung_up
    tasks.sweep()
    tried = len(vendors.calls) - made
    assert 1 <= tried <= 4
    lost = Spend.objects.filter(purpose="calibrate")
    assert lost.filter(assumed=True).count() == lost.count() == tried
    for _ in range(3):
        tasks.sweep()
    assert len(vendors.calls) - made == tried
    vendors.always.clear()
    cache.clear()  # some minutes later
    tasks.sweep()
    assert Calibration.objects.filter(space=quality_space()).exists()


# --- What goes wrong -------------------------------------------------------------------------------


def test_a_vendor_whose_answers_are_of_no_use_is_not_paid_again_and_again(
    index_now: Drain, chosen: Any, settings: Any, vendors: VendorServer
) -> None:
    chosen("gemini", FIRST=100)
    settings.SEARCH_PRICES = {"gemini-embedding-2": {"batch": 1}}
    settings.SEARCH_VENDOR_CALLS = 1
    settings.SEARCH_BATCH_SIZE = 1
    assets = [AssetFactory() for _ in range(8)]
    vendors.always["gemini"] = vendor.short_vectors
    for _ in range(3):
        assert "Check the model and its dimensions" in index_now().postponed
        due_again()
    assert len(vendors.made("gemini")) == 1
    assert SpendAccount.objects.get().spent_micros == micros()
    assert {entry.asset_key for entry in waiting()} == {asset.pk for asset in assets}
    vendors.always.clear()
    cache.clear()  # the hour is over
    index_now()
    assert held() == {asset.pk for asset in assets}


def test_each_answer_that_is_paid_for_renews_the_lease_of_all_that_waits(
    index_now: Drain, chosen: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen("gemini", FIRST=20)
    settings.SEARCH_BATCH_SIZE = 4
    for _ in range(10):
        AssetFactory()
    seen = []
    kept = spend._keep_vectors

    def late(space: Space, vectors: Any) -> None:
        mine = IndexEntry.objects.filter(space=space, state=IndexState.WORKING)
        seen.append(mine.filter(leased_until__lt=timezone.now()).count())
        mine.update(leased_until=timezone.now() - timedelta(seconds=1))
        kept(space, vectors)

    monkeypatch.setattr(spend, "_keep_vectors", late)
    index_now()
    assert len(seen) > 1
    assert set(seen) == {0}


@pytest.mark.parametrize(
    ("encoder", "status", "code", "message"),
    [
        ("dashscope", 400, "DataInspectionFailed", "Input data may contain inappropriate content"),
        ("gemini", 400, "INVALID_ARGUMENT", "The image was blocked for safety reasons"),
    ],
)
def test_one_picture_that_is_refused_fails_alone(
    index_now: Drain,
    chosen: Any,
    vendors: VendorServer,
    encoder: str,
    status: int,
    code: str,
    message: str,
) -> None:
    chosen(encoder, FIRST=100)
    assets = [coloured(colour) for colour in ("#0000ff", "#ff0000", "#0000ff", "#0000ff")]
    vendors.always[encoder] = vendor.refusing("red", status, code, message)
    report = index_now()
    assert (report.failed, report.postponed) == (1, "")
    failed = IndexEntry.objects.get(state=IndexState.FAILED)
    assert failed.asset_key == assets[1].pk
    assert "does not take this picture" in failed.last_error
    assert KEY not in failed.last_error
    assert held() == {assets[0].pk, assets[2].pk, assets[3].pk}
    assert [len(call.items) for call in vendors.made(encoder)] == [4, 2, 2, 1, 1]
    assert Spend.objects.count() == 3, "what was refused costs nothing"


@pytest.mark.parametrize(
    ("behaviour", "sentence", "asked_again"),
    [
        (vendor.saying(None, refusal="I cannot help with that"), "refused to describe it", 0),
        (vendor.saying("", reason="content_filter"), "filters held the description back", 0),
        (vendor.saying("{not json"), "no description that can be read", 1),
        (vendor.failing(400, "content_policy_violation", "Not allowed"), "does not take this picture", 0),
    ],
)
def test_a_description_that_is_refused_fails_the_entry_and_is_remembered(
    index_now: Drain,
    chosen: Any,
    vendors: VendorServer,
    behaviour: vendor.Behaviour,
    sentence: str,
    asked_again: int,
) -> None:
    chosen("openai", FIRST=100)
    asset = coloured("red")
    vendors.always["describe"] = behaviour
    assert index_now().failed == 1
    entry = IndexEntry.objects.get(state=IndexState.FAILED)
    assert sentence in entry.last_error
    assert KEY not in entry.last_error
    assert entry.asset_key == asset.pk
    assert AltTextSuggestion.objects.count() == 0
    before = len(vendors.calls)
    outbox.retry_failed()
    index_now()
    assert len(vendors.calls) - before == asked_again
    assert IndexEntry.objects.get(asset_key=asset.pk, space=quality_space()).state == IndexState.FAILED


@pytest.mark.parametrize("encoder", ["openai", "dashscope", "gemini"])
def test_an_outage_leaves_all_pending_and_loses_nothing(
    index_now: Drain, chosen: Any, vendors: VendorServer, encoder: str
) -> None:
    chosen(encoder, FIRST=100)
    assets = [AssetFactory() for _ in range(3)]
    what = "describe" if encoder == "openai" else encoder
    vendors.always[what] = vendor.failing(429, "rate", after=120)
    report = index_now()
    assert "rate limit" in report.postponed
    assert {(entry.attempts, entry.waits_for_budget) for entry in waiting()} == {(0, False)}
    wait = (waiting()[0].not_before - timezone.now()).total_seconds()
    assert 100 < wait <= 120, "as long as the vendor asks"
    vendors.always[what] = vendor.failing(401, "InvalidApiKey")
    due_again()
    assert "does not accept the key" in index_now().postponed
    assert len(waiting()) == 3
    vendors.always.clear()
    due_again()
    assert index_now().postponed == ""
    assert held() == {asset.pk for asset in assets}
    assert SpendAccount.objects.get().spent_micros == micros()


def test_what_arrived_before_an_outage_is_kept_and_not_paid_for_again(
    index_now: Drain, chosen: Any, vendors: VendorServer, settings: Any
) -> None:
    chosen("openai", FIRST=100)
    settings.SEARCH_VENDOR_CALLS = 1
    assets = [coloured("red") for _ in range(3)]
    vendors.script([vendor.well, vendor.well, vendor.failing(500, "down")])
    assert "OpenAI failed (500)" in index_now().postponed
    assert PictureDescription.objects.count() == 2
    due_again()
    vendors.always["openai"] = vendor.failing(500, "down")
    index_now()
    assert len(vendors.made("describe")) == 4
    assert Embedding.objects.filter(space=quality_space()).count() == 0
    vendors.always.clear()
    due_again()
    index_now()
    assert held() == {asset.pk for asset in assets}
    assert len(vendors.made("describe")) == 4, "three that arrived and one that failed"
    assert Spend.objects.filter(purpose="describe").count() == 3


def test_a_lost_answer_is_counted_as_if_it_had_been_billed(
    index_now: Drain, chosen: Any, vendors: VendorServer, settings: Any
) -> None:
    chosen("gemini", FIRST=100)
    settings.SEARCH_VENDOR_TIMEOUT_SECONDS = 0.4
    asset = AssetFactory()
    vendors.script([vendor.slow(1.2)])
    assert "did not answer in time" in index_now().postponed
    lost = Spend.objects.get()
    assert (lost.assumed, lost.asset_key) == (True, asset.pk)
    assert lost.micros == spend.to_micros(get_encoder("gemini").ceiling_per_picture)


# --- What people see -------------------------------------------------------------------------------


def test_a_description_becomes_a_suggestion_and_no_text_of_the_asset(
    index_now: Drain, chosen: Any, vendors: VendorServer
) -> None:
    chosen("openai", FIRST=100)
    asset = coloured("red", alt_text="Written by a person")
    index_now()
    suggestion = AltTextSuggestion.objects.get()
    assert (suggestion.asset_id, suggestion.alt_text_zh) == (asset.pk, "一件red的东西")
    assert suggestion.source == "gpt-5.4-mini, prompt 1"
    asset.refresh_from_db()
    assert (asset.alt_text, asset.alt_text_zh, asset.description) == ("Written by a person", "", "")
    # Another prompt or model is another description; the same one is never bought twice.
    assert PictureDescription.objects.count() == 1
    editing.trash([asset], actor=None)
    editing.delete_forever([asset], actor=None)
    assert PictureDescription.objects.count() == 0, "what was made of a file goes with it"
    assert Spend.objects.count() == 2, "what it cost does not"


@pytest.mark.django_db(transaction=True)
def test_of_a_picture_that_is_deleted_while_it_is_described_nothing_is_kept(
    index_now: Drain, chosen: Any, vendors: VendorServer
) -> None:
    """The answer arrives after the deletion has removed what there was, and before it has committed."""
    chosen("openai", FIRST=100)
    coloured("red")
    doomed = coloured("blue")
    removed = threading.Event()

    def delete() -> None:
        editing.trash([doomed], actor=None)
        editing.delete_forever([doomed], actor=None)
        connections.close_all()

    def linger(**said: Any) -> None:
        removed.set()
        time.sleep(0.7)

    deletion = threading.Thread(target=delete)

    def meanwhile(call: vendor.Call) -> Any:
        if vendor.colour_of(call.items[0]) == "blue":
            deletion.start()
            assert removed.wait(20)
        return vendor.well(call)

    vendors.always["describe"] = meanwhile
    assets_deleted.connect(linger)
    try:
        index_now()
    finally:
        assets_deleted.disconnect(linger)
    deletion.join(20)
    assert not Asset.objects.filter(pk=doomed.pk).exists()
    index_now()
    assert [row.alt_text for row in PictureDescription.objects.all()] == ["A red thing"]
    assert AltTextSuggestion.objects.count() == 1
    assert Embedding.objects.filter(space=quality_space()).count() == 1
    assert doomed.pk not in held() | held(live_space())
    assert not IndexEntry.objects.filter(asset_key=doomed.pk).exists()
    assert Spend.objects.filter(purpose="describe", asset_key=doomed.pk).count() == 1, "it was paid for"
    assert SpendAccount.objects.get().spent_micros == micros()


def test_words_are_searched_in_both_spaces_and_search_goes_on_without_the_vendor(
    index_now: Drain, chosen: Any, vendors: VendorServer, staff_api: Any
) -> None:
    chosen("gemini", FIRST=100)
    coloured("red", title="Scarf")
    index_now()
    found = staff_api.get("/api/v1/search/", {"q": "scarf"})
    assert [hit["title"] for hit in found.json()["results"]] == ["Scarf"]
    vendors.always["gemini"] = vendor.failing(503, "down")
    found = staff_api.get("/api/v1/search/", {"q": "a scarf"})
    assert found.status_code == 200
    assert [hit["title"] for hit in found.json()["results"]] == ["Scarf"]


def red_picture() -> dict[str, SimpleUploadedFile]:
    return {"image": SimpleUploadedFile("red.jpg", picture(colour="red"), "image/jpeg")}


def test_nobody_pays_for_pictures_and_many_sentences_of_visitors(
    index_now: Drain, chosen: Any, vendors: VendorServer, api: Any, staff_api: Any
) -> None:
    chosen("gemini", FIRST=100)
    coloured("red", title="Scarf")
    index_now()
    calls = len(vendors.calls)
    for sent in (
        lambda by: by.post("/api/v1/search/", red_picture(), format="multipart"),
        lambda by: by.post("/api/v1/search/", {"q": "scarf", "text": ["hat", "shoe"]}, format="json"),
    ):
        assert [hit["title"] for hit in sent(api).json()["results"]] == ["Scarf"], "the free space answers"
        assert len(vendors.calls) == calls
    for sent in (
        lambda by: by.post("/api/v1/search/", red_picture(), format="multipart"),
        lambda by: by.get("/api/v1/search/", {"q": "woollen scarf"}),
    ):
        assert [hit["title"] for hit in sent(staff_api).json()["results"]] == ["Scarf"]
        assert len(vendors.calls) > calls
        calls = len(vendors.calls)


def test_where_every_space_costs_money_visitors_ask_with_one_sentence(
    index_now: Drain, settings: Any, vendors: VendorServer, api: Any
) -> None:
    settings.SEARCH_ENCODER = "gemini"
    coloured("red", title="Scarf")
    index_now()
    late = coloured("blue", title="Hat")
    calls = len(vendors.calls)
    refused = api.post("/api/v1/search/", red_picture(), format="multipart")
    assert refused.status_code == 400
    assert "Sign in to search with pictures" in refused.content.decode()
    refused = api.get(f"/api/v1/assets/{late.public_id}/similar/")
    assert refused.status_code == 400
    assert "still being indexed" in refused.content.decode()
    assert len(vendors.calls) == calls
    found = api.get("/api/v1/search/", {"q": "knitted scarf"}).json()
    assert ([hit["title"] for hit in found["results"]], found["degraded"]) == (["Scarf"], "")
    assert len(vendors.calls) == calls + 1


def test_searches_cost_no_more_in_a_day_than_they_may(
    index_now: Drain, chosen: Any, settings: Any, vendors: VendorServer, api: Any, staff_api: Any
) -> None:
    chosen("gemini", FIRST=100)
    coloured("red", title="Scarf")
    index_now()
    settings.SEARCH_BUDGET_QUERIES = "0.000001"
    calls = len(vendors.calls)
    assert api.get("/api/v1/search/", {"q": "silk scarf"}).json()["degraded"] == ""
    assert len(vendors.calls) == calls + 1
    found = api.get("/api/v1/search/", {"q": "scarf of silk"}).json()
    assert [hit["title"] for hit in found["results"]] == ["Scarf"]
    assert "gemini-embedding-2” does not answer" in found["degraded"]
    assert len(vendors.calls) == calls + 1
    (account,) = staff_api.get("/api/v1/search/spend/").json()["accounts"]
    assert account["queries"] == spend.shown(sum_of_queries())
    assert account["budget_queries"] == "0.000001"
    Spend.objects.update(day=timezone.localdate() - timedelta(days=1))  # a night passes
    cache.clear()
    assert api.get("/api/v1/search/", {"q": "scarf of silk"}).json()["degraded"] == ""
    assert len(vendors.calls) == calls + 2


def sum_of_queries() -> int:
    return sum(Spend.objects.filter(purpose="query").values_list("micros", flat=True))


def test_spend_is_seen_by_editors_over_rest_and_in_the_command(
    index_now: Drain,
    chosen: Any,
    settings: Any,
    staff_api: Any,
    vendors: VendorServer,
    django_assert_max_num_queries: Any,
) -> None:
    chosen("openai", FIRST=100)
    settings.SEARCH_BUDGET_TOTAL, settings.SEARCH_BUDGET_DAY = "2", "none"
    assets = [coloured("red") for _ in range(3)]
    index_now()
    get_encoder("openai").encode_texts(["a red scarf"])
    get_encoder("openai").encode_texts(["a red hat"])
    with django_assert_max_num_queries(12):
        told = staff_api.get("/api/v1/search/spend/").json()
    (account,) = told["accounts"]
    # Three pictures at 0.75 and 4.50 USD a million, their words and two queries at 0.13.
    assert account["spent"] == account["today"] == spend.shown(3 * 1650 + 39 + 2 * 13)
    assert (account["budget"], account["budget_day"], account["waiting"]) == ("2.00", "none", 0)
    days = {(row["model"], row["purpose"]): (row["calls"], row["amount"]) for row in told["by_day"]}
    assert days == {
        ("gpt-5.4-mini", "describe"): (3, "0.00495"),
        ("text-embedding-3-large", "embed"): (3, "0.000039"),
        ("text-embedding-3-large", "query"): (2, "0.000026"),
    }
    assert {row["asset"] for row in told["by_asset"]} == {str(asset.public_id) for asset in assets}
    assert {row["amount"] for row in told["by_asset"]} == {"0.001663"}
    assert told["prices"][0]["source"].startswith("https://")
    out = StringIO()
    call_command("index", "--status", "--json", stdout=out)
    (listed,) = json.loads(out.getvalue())["spend"]
    assert listed == account
    out = StringIO()
    call_command("index", "--status", stdout=out)
    assert "has cost 0.005015 USD (budget 2.00)" in out.getvalue()


def test_the_page_shows_budgets_and_what_waits(
    index_now: Drain, chosen: Any, settings: Any, client: Any, editor: Any, stranger: Any
) -> None:
    client.force_login(editor)
    assert "No encoder behind an API is in use" in client.get("/admin/search/space/spend/").text
    chosen("gemini", FIRST=100)
    settings.SEARCH_BUDGET_TOTAL = "0"
    asset = AssetFactory(title="Scarf")
    index_now()
    page = client.get("/admin/search/space/spend/").text
    assert "1 asset waits for the budget; nothing is lost." in page
    settings.SEARCH_BUDGET_TOTAL = "3"
    tasks.sweep()
    page = client.get("/admin/search/space/spend/").text
    assert "0.000117 of 3.00 USD" in page
    assert "waits for the budget" not in page
    assert asset.title in page
    settings.SEARCH_BUDGET_TOTAL = "a lot"
    assert "SEARCH_BUDGET_TOTAL is no amount" in client.get("/admin/search/space/spend/").text
    client.force_login(stranger)
    assert client.get("/admin/search/space/spend/").status_code == 302


@pytest.mark.once
def test_the_doctor_looks_at_keys_budgets_and_vendors_without_paying(
    chosen: Any, settings: Any, vendors: VendorServer
) -> None:
    chosen("dashscope", FIRST=10)
    part = "encoder dashscope:qwen3-vl-embedding"
    level, sentence = doctor()[part]
    assert (level, "1,000 pictures cost at most 2.304 CNY" in sentence) == ("ok", True)
    vendors.always["other"] = vendor.failing(401, "InvalidApiKey")
    assert doctor()[part][0] == "problem"
    settings.DASHSCOPE_API_KEY = ""
    assert "There is no key. Set DASHSCOPE_API_KEY" in doctor()[part][1]
    settings.DASHSCOPE_API_KEY, settings.SEARCH_BUDGET_TOTAL = KEY, "0"
    vendors.always.clear()
    assert doctor()[part][0] == "warning"
    settings.SEARCH_QUALITY_FIRST = 0
    assert doctor()["policy"][0] == "problem"
    assert vendors.made("dashscope") == []


def test_a_picture_to_search_with_is_paid_for_within_the_budget(settings: Any, vendors: VendorServer) -> None:
    encoder = get_encoder("openai")
    settings.SEARCH_BUDGET_TOTAL = "0"
    with pytest.raises(spend.BudgetExhausted):
        encoder.encode_images([Image.new("RGB", (64, 48), "red")])
    assert vendors.calls == []
    encoder.encode_texts(["words are never refused"])
    assert len(vendors.calls) == 1


def test_queries_of_indexing_do_not_grow_with_the_batch(
    index_now: Drain, chosen: Any, settings: Any, django_assert_max_num_queries: Any
) -> None:
    chosen("dashscope", FIRST=100)
    for _ in range(12):
        AssetFactory()
    active_spaces()
    with django_assert_max_num_queries(75):
        index_now()
