"""From one encoder to another: beside the live space, in pieces, with pauses, and back again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dam import editing
from dam.models import Asset, AuditEntry
from search import dropping, outbox, reindex, tasks
from search.encoders.base import EncoderError
from search.index.connection import connect
from search.models import (
    Embedding,
    IndexEntry,
    IndexState,
    Reindex,
    ReindexState,
    Space,
    SpaceCoverage,
    SpaceState,
)
from search.query import SearchRequest, search
from search.reindex import ReindexError
from search.spaces import declare_space, index_of, live_alias, live_space, live_spaces
from search.worker import work_off
from tests.encoders import ColourEncoder
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colours")]
OTHER = "colours:12"


def run_command(*arguments: str) -> Any:
    out = StringIO()
    call_command("index", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def _printed(*arguments: str) -> str:
    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command(*arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("index", *arguments, stdout=StringIO())
    return str(caught.value)


def in_milvus(space: Space) -> list[int]:
    return [key for page in index_of(space).ids() for key in page]


def in_library() -> list[int]:
    return list(Asset.objects.in_library().order_by("pk").values_list("pk", flat=True))


def the_alias() -> str:
    return connect()[0].describe_alias(live_alias())["collection_name"]


def found(text: str) -> list[str]:
    return [hit.asset.title for hit in search(SearchRequest(text=text, limit=3), user=None).hits]


def encoded(space: Space) -> int:
    return Embedding.objects.filter(space=space).count()


def red(title: str) -> Asset:
    return AssetFactory(title=title, picture={"colour": "red"}, file=None)


@pytest.fixture
def library(index_now: Callable, monkeypatch: pytest.MonkeyPatch) -> list[Asset]:
    """Nine assets in the live space; a piece of a reindex is four."""
    monkeypatch.setattr(reindex, "SMALLEST_PIECE", 4)
    assets = [AssetFactory() for _ in range(9)]
    index_now()
    return assets


def test_a_reindex_is_walked_in_pieces_paused_switched_and_taken_back(
    library: list[Asset], administrator: Any
) -> None:
    old = live_space()
    run = reindex.start(OTHER, actor=administrator)
    assert (run.state, Space.objects.count()) == (ReindexState.CHECKING, 1)
    work_off()
    run.refresh_from_db()
    new = run.space
    assert new is not None
    assert (run.state, run.total, run.noted, new.dimension) == (ReindexState.RUNNING, 9, 4, 12)
    work_off()
    assert len(in_milvus(new)) == 4

    # Paused: what is uploaded goes into the live space at once, and waits for the new one.
    reindex.pause(run, actor=administrator)
    late = AssetFactory(title="Late")
    work_off()
    assert late.pk in in_milvus(old)
    assert len(in_milvus(new)) == 4
    assert live_space() == old
    assert found("Late")[0] == "Late"
    with pytest.raises(ReindexError, match="This cannot be done now: the reindex is “Paused”"):
        reindex.pause(run)

    reindex.resume(run)
    editing.update_assets([library[0]], actor=None, changes={"title": "Velvet"})
    while work_off():
        pass
    run.refresh_from_db()
    assert run.state == ReindexState.COMPLETE
    assert in_milvus(new) == in_library() == in_milvus(old)
    assert (encoded(new), encoded(old)) == (10, 10)
    assert live_space() == old

    reindex.switch(new, actor=administrator)
    old.refresh_from_db()
    run.refresh_from_db()
    assert (old.state, new.state, run.state) == (SpaceState.STANDBY, SpaceState.LIVE, ReindexState.SWITCHED)
    assert the_alias() == new.collection
    assert search(SearchRequest(text="red"), user=None).encoder == OTHER
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "reindex.started", "reindex.paused", "reindex.running", "space.switched",
    }  # fmt: skip

    # The old one is kept up to date, so the way back is a switch and nothing else.
    after = AssetFactory()
    work_off()
    assert after.pk in in_milvus(old)
    reindex.switch(old)
    assert (live_space(), the_alias()) == (old, old.collection)


def test_a_space_that_missed_writes_catches_up_without_encoding_again(
    library: list[Asset], index_now: Callable
) -> None:
    old = live_space()
    new, report = reindex.reindex(OTHER)
    assert (report.encoded, live_space()) == (9, new)
    dropping.let_go(old)
    with pytest.raises(ReindexError, match="not complete"):
        reindex.switch(old)

    editing.update_assets([library[0]], actor=None, changes={"title": "Velvet"})
    editing.trash(library[1:3], actor=None)
    editing.delete_forever([library[2]], actor=None)
    added = AssetFactory()
    index_now()
    assert added.pk not in in_milvus(old)
    assert library[1].pk in in_milvus(old)

    again, report = reindex.reindex("colours:8")
    assert again == old == live_space()
    assert report.encoded == 1
    assert in_milvus(old) == in_library()
    if index_of(old).full_text:
        hits = index_of(old).search_words("Velvet", limit=3, where="")
        assert [hit.id for hit in hits] == [library[0].pk]


def test_uploads_go_first_and_a_piece_counts_nothing(library: list[Asset]) -> None:
    run = reindex.start(OTHER)
    work_off()
    new = Reindex.objects.get(pk=run.pk).space
    with CaptureQueriesContext(connection) as queries:
        assert reindex.advance(run.pk)
    assert len(queries) <= 14
    assert "COUNT(" not in " ".join(query["sql"] for query in queries.captured_queries)
    waiting = IndexEntry.objects.filter(space=new, state=IndexState.PENDING)
    assert waiting.count() == 2 * 4
    assert not reindex.advance(run.pk)
    IndexEntry.objects.filter(space=live_space()).update(state=IndexState.PENDING)
    work_off()
    assert not IndexEntry.objects.filter(space=live_space(), state=IndexState.PENDING).exists()
    assert waiting.exists()


def test_nothing_is_made_before_the_encoder_loads(library: list[Asset]) -> None:
    with pytest.raises(EncoderError, match="Known families"):
        reindex.start("nonsense")
    run = reindex.start("colours:12-broken")
    work_off()
    run.refresh_from_db()
    assert (run.state, run.space) == (ReindexState.FAILED, None)
    assert "put them back" in run.last_error
    assert Space.objects.count() == 1
    with pytest.raises(ReindexError, match="A reindex to colours:12-broken is open"):
        reindex.start(OTHER)
    reindex.cancel(run)
    with pytest.raises(ReindexError, match="the one that search uses"):
        reindex.start("colours:8")
    assert Reindex.objects.get().state == ReindexState.CANCELLED


def test_a_failed_check_of_a_space_that_was_there_before_is_done_again(
    library: list[Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = live_space()
    reindex.reindex(OTHER)
    dropping.let_go(old)
    run = reindex.start(old.encoder)

    def broken(*_args: object) -> None:
        raise EncoderError("The weights of colours are not there; put them back.")

    with monkeypatch.context() as failing:
        failing.setattr(ColourEncoder, "_encode_texts", broken)
        work_off()
    run.refresh_from_db()
    assert (run.state, run.space, run.started) == (ReindexState.FAILED, old, None)
    reindex.resume(run)
    assert run.state == ReindexState.CHECKING
    late = AssetFactory()
    while work_off():
        pass
    run.refresh_from_db()
    old.refresh_from_db()
    assert (run.state, old.state) == (ReindexState.COMPLETE, SpaceState.BUILDING)
    assert late.pk in in_milvus(old)


def test_a_policy_waits_for_an_open_reindex_to_its_encoder_and_says_so(
    library: list[Asset], settings: Any
) -> None:
    run = reindex.start(OTHER)
    work_off()
    run.refresh_from_db()
    settings.SEARCH_POLICY, settings.SEARCH_QUALITY_ENCODER = "chosen", OTHER
    settings.SEARCH_QUALITY_FIRST = 2
    tasks.sweep()
    said = json.loads(_printed("doctor", "--json"))
    (finding,) = [one for one in said if one["part"] == "policy"]
    assert (finding["level"], "takes no effect before it is cancelled" in finding["sentence"]) == (
        "problem",
        True,
    )
    while work_off():
        pass
    run.refresh_from_db()
    assert run.space is not None
    assert (run.state, run.space.state, run.space.coverage) == (ReindexState.COMPLETE, "building", "all")
    assert in_milvus(run.space) == in_library()
    assert [space.encoder for space in live_spaces()] == ["colours:8"]
    reindex.cancel(run)
    tasks.sweep()
    run.space.refresh_from_db()
    assert (run.space.state, run.space.coverage) == (SpaceState.LIVE, "chosen")
    assert in_milvus(run.space) == in_library()[:2]
    with pytest.raises(ReindexError, match="Take it out of the policy first"):
        reindex.start(OTHER)
    settings.SEARCH_POLICY = "one"
    tasks.sweep()
    reindex.start(OTHER)
    while work_off():
        pass
    run.space.refresh_from_db()
    assert (run.space.state, run.space.coverage) == ("building", "all")
    assert in_milvus(run.space) == in_library()


def test_a_reindex_whose_encoder_a_policy_has_taken_fails_and_says_so(library: list[Asset]) -> None:
    run = reindex.start(OTHER)
    chosen = declare_space(OTHER, SpaceState.LIVE, SpaceCoverage.CHOSEN)  # by another process, a moment ago
    work_off()
    run.refresh_from_db()
    chosen.refresh_from_db()
    assert (run.state, run.space) == (ReindexState.FAILED, None)
    assert "serves the assets that a policy chooses" in run.last_error
    assert (chosen.state, chosen.coverage) == (SpaceState.LIVE, SpaceCoverage.CHOSEN)
    reindex.cancel(run)
    assert reindex.open_reindex() is None


def test_an_open_reindex_of_weights_that_were_replaced_is_not_gone_on_with(library: list[Asset]) -> None:
    run = reindex.start(OTHER)
    work_off()
    Space.objects.filter(encoder=OTHER).update(slug="of-the-weights-before")
    with pytest.raises(ReindexError, match="weights of colours:12 are others"):
        reindex.start(OTHER)
    run.refresh_from_db()
    reindex.cancel(run)
    assert reindex.start(OTHER).pk != run.pk


def test_what_goes_on_by_command_switches_only_where_that_was_asked(library: list[Asset]) -> None:
    run = reindex.start(OTHER)
    work_off()
    run.refresh_from_db()
    reindex.pause(run)
    assert run_command("--resume")["reindex"]["state"] == "complete"
    assert live_space().encoder == "colours:8"
    reindex.cancel(run)
    run = reindex.start("colours:20", switch_when_complete=True)
    work_off()
    run.refresh_from_db()
    reindex.pause(run)
    assert run_command("--resume")["reindex"]["state"] == "switched"
    assert live_space().encoder == "colours:20"


def test_the_sweep_makes_the_alias_what_the_database_says(library: list[Asset]) -> None:
    old = live_space()
    new, _report = reindex.reindex(OTHER)
    index_of(old).point_alias(live_alias())
    tasks.sweep()
    assert the_alias() == new.collection
    assert not reindex.repair_alias()


def test_a_switch_that_loses_pictures_is_refused_until_somebody_wants_it(library: list[Asset]) -> None:
    lost = library[3]
    assert lost.current is not None
    default_storage.delete(lost.current.file.name)
    run = reindex.start(OTHER, switch_when_complete=True)
    for _round in range(4 * outbox.MAX_ATTEMPTS):
        work_off()
        IndexEntry.objects.filter(state=IndexState.PENDING).update(not_before=timezone.now())
    run.refresh_from_db()
    assert (run.state, reindex.progress(run).failed) == (ReindexState.COMPLETE, 1)
    assert live_space().encoder == "colours:8"
    assert "missing from storage" in reindex.recently_failed(run)[0].last_error
    assert "1 asset failed in this space and not in the live one" in refused("--reindex", OTHER)
    assert reindex.retry_failed(run) == 1
    IndexEntry.objects.filter(space=run.space, asset_key=lost.pk).update(state=IndexState.FAILED)
    body = run_command("--reindex", OTHER, "--despite-failures")
    assert (body["reindex"]["state"], live_space().encoder) == ("switched", OTHER)


def test_what_could_not_be_switched_to_when_it_was_complete_is_switched_to_by_a_sweep(
    library: list[Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = live_space()
    run = reindex.start(OTHER, switch_when_complete=True)

    def refuse(*_args: object) -> None:
        raise ReindexError("The library is being written to.")

    with monkeypatch.context() as refusing:
        refusing.setattr(reindex, "switch", refuse)
        while work_off():
            pass
        Reindex.objects.update(last_error="")
        tasks.sweep()
    run.refresh_from_db()
    assert (run.state, run.last_error) == (ReindexState.COMPLETE, "The library is being written to.")
    tasks.sweep()
    run.refresh_from_db()
    assert (run.state, run.last_error, live_space()) == (ReindexState.SWITCHED, "", run.space)

    back = reindex.start(old.encoder, switch_when_complete=True)
    assert back.state == ReindexState.COMPLETE, "its space was kept up to date"
    tasks.sweep()
    back.refresh_from_db()
    assert (back.state, live_space()) == (ReindexState.SWITCHED, old)
    assert the_alias() == old.collection


def test_the_command_starts_pauses_goes_on_and_cancels(library: list[Asset]) -> None:
    body = run_command("--reindex", OTHER, "--no-switch")
    assert body["report"]["encoded"] == 9
    assert body["reindex"] == {
        "encoder": OTHER, "state": "complete", "done": 9, "total": 9, "failed": 0, "error": "",
        "per_second": body["reindex"]["per_second"], "seconds_left": None,
    }  # fmt: skip
    assert live_space().encoder == "colours:8"
    assert "the reindex is “Complete, not switched”" in refused("--pause")
    assert run_command("--reindex", OTHER)["reindex"]["state"] == "switched"
    assert live_space().encoder == OTHER
    assert "No such reindex is open" in refused("--resume")

    run = reindex.start("colours:20")
    work_off()
    assert run_command("--pause", "--reindex", "colours:20")["reindex"]["state"] == "paused"
    assert "No such reindex is open" in refused("--cancel", "--reindex", OTHER)
    assert run_command("--cancel")["reindex"]["state"] == "cancelled"
    run.refresh_from_db()
    assert run.space is not None
    assert run.space.state == SpaceState.RETIRED
    assert run_command("--reindex", OTHER)["report"]["indexed"] == 0


def test_a_dropped_space_leaves_nothing_and_kept_vectors_save_the_encoding(library: list[Asset]) -> None:
    old = live_space()
    new, _report = reindex.reindex(OTHER)
    for space in (new, Reindex.objects.get().space):
        with pytest.raises(ReindexError, match="neither searched nor being built"):
            dropping.drop(space, vectors=True)
    dropping.drop(old, vectors=False)
    tasks.sweep()
    old.refresh_from_db()
    assert not connect()[0].has_collection(old.collection)
    assert (old.state, old.entries.count(), encoded(old)) == (SpaceState.RETIRED, 0, 9)
    assert reindex.reindex("colours:8")[1].encoded == 0
    assert in_milvus(old) == in_library()
    dropping.drop(new, vectors=True)
    dropping.finish()
    assert list(Space.objects.all()) == [old]
    assert not Embedding.objects.exclude(space=old).exists()
    assert Reindex.objects.filter(encoder=OTHER).get().space is None


def test_the_pages_say_of_a_dropped_space_that_its_vectors_are_left(
    library: list[Asset], administrator: Any, client: Client
) -> None:
    client.force_login(administrator)
    old = live_space()
    reindex.reindex(OTHER)
    address = reverse("admin:search_space_drop", args=[old.pk])
    assert f"collection {old.collection} is deleted" in client.get(address).content.decode()
    client.post(address)
    tasks.sweep()
    assert "its computed vectors are kept" in client.get(reverse("admin:search_reindex")).content.decode()
    page = client.get(address).content.decode()
    assert "is gone already" in page
    assert 'type="hidden" name="vectors" value="yes"' in page
    client.post(address, {"vectors": "yes"})
    tasks.sweep()
    assert not Space.objects.filter(pk=old.pk).exists()


def test_the_page_starts_shows_and_switches(
    library: list[Asset], administrator: Any, client: Client, django_assert_max_num_queries: Callable
) -> None:
    client.force_login(administrator)
    address = reverse("admin:search_reindex")

    def shown() -> str:
        with django_assert_max_num_queries(30):
            return client.get(address).content.decode()

    def do(name: str, key: int, *parts: str, **sent: str) -> str:
        answer = client.post(reverse(f"admin:{name}", args=[key, *parts]), sent, follow=True)
        return answer.content.decode()

    assert "Another encoder" in shown()
    assert "Known families" in client.post(address, {"encoder": "nonsense"}, follow=True).content.decode()
    assert "Choose or type an encoder" in client.post(address, {}, follow=True).content.decode()
    assert not Reindex.objects.exists()
    client.post(address, {"encoder": OTHER})
    run = Reindex.objects.get()
    assert (run.by, run.state, run.switch_when_complete) == (administrator, ReindexState.CHECKING, False)
    work_off()
    numbers = client.get(reverse("admin:search_reindex_progress", args=[run.pk])).json()
    assert (numbers["state"], numbers["done"], numbers["total"], numbers["at_work"]) == (
        "running",
        0,
        9,
        True,
    )
    assert "Paused." in do("search_reindex_verb", run.pk, "pause")
    assert "This cannot be done now" in do("search_reindex_verb", run.pk, "pause")
    assert 'data-at-work="false"' in shown()
    do("search_reindex_verb", run.pk, "resume")
    while work_off():
        pass
    run.refresh_from_db()
    assert run.space is not None
    IndexEntry.objects.filter(space=run.space, asset_key=library[0].pk).update(
        state=IndexState.FAILED, last_error="The file is gone."
    )
    assert "The file is gone." in shown()
    assert "1 asset failed in this space" in do("search_reindex_verb", run.pk, "switch")
    assert live_space() != run.space
    assert "1 entry is tried again." in do("search_reindex_verb", run.pk, "retry")
    work_off()
    assert f"Search uses {OTHER} now" in do("search_reindex_verb", run.pk, "switch")
    old = Space.objects.get(state=SpaceState.STANDBY)
    assert "Search uses colours:8 now" in do("search_space_verb", old.pk, "switch")
    assert "not encoded for it any more" in do("search_space_verb", run.space.pk, "let_go")
    assert "begins as soon as" in do("search_space_verb", run.space.pk, "catch_up")
    assert "can be dropped" in do("search_space_drop", run.space.pk)
    do("search_reindex_verb", Reindex.objects.latest("pk").pk, "cancel")
    assert "is dropped by the worker" in do("search_space_drop", run.space.pk, vectors="yes")
    tasks.sweep()
    assert list(Space.objects.all()) == [old]
    assert client.post(reverse("admin:search_reindex_verb", args=[run.pk, "nonsense"])).status_code == 404
