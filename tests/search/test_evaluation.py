"""Judging results, the measures that follow, and two encoders side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dam import editing
from dam.models import Asset
from search import evaluation_runs, judging, reindex, tasks
from search.evaluation_models import Grade, Preference, RunState
from search.metrics import average_precision, ndcg_at, overlap_at, precision_at, recall_at, scores
from search.models import EncoderVote, EvaluationQuery, EvaluationRun, Judgement, QueryResult, Space
from search.rankings import comparable_spaces
from search.spaces import index_of, live_space
from tests.factories import AssetFactory

OTHER = "colours:12"


# --- Measures, by hand -------------------------------------------------------------------------------------


def test_measures_are_those_of_the_books() -> None:
    # Manning et al.: relevant at ranks 1, 3 and 6 of four that there are.
    relevant = np.array([True, False, True, False, False, True])
    assert average_precision(relevant, 4) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 4)
    assert average_precision(relevant, 0) == 0.0
    assert precision_at(relevant, 10) == pytest.approx(0.3)
    assert precision_at(relevant, 2) == pytest.approx(0.5)
    assert recall_at(relevant, 3, 4) == pytest.approx(0.5)
    # Gains 3 2 3 0 1 2 discounted by log2(rank + 1): DCG 6.861, ideal order of all gains 7.141 at 6.
    gains = np.array([3, 2, 3, 0, 1, 2], dtype=float)
    assert ndcg_at(gains, 6, gains) == pytest.approx(6.8611 / 7.1410, abs=1e-4)
    assert ndcg_at(gains, 6, np.array([3, 3, 3, 2, 2, 2, 1, 0], dtype=float)) == pytest.approx(
        6.8611 / 8.7403, abs=1e-4
    )
    assert ndcg_at(gains[:0], 10, gains) == 0.0
    assert overlap_at([1, 2, 3], [3, 4, 1], 3) == pytest.approx(2 / 3)
    assert overlap_at([], [], 10) == 0.0


def test_the_unjudged_count_as_wrong_and_are_reported() -> None:
    measured = scores([7, 8, 9, 10], {7: 2, 9: 1, 10: 0, 99: 2}, k=3)
    assert measured.map == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert measured.recall == pytest.approx(2 / 3)
    ideal = 2 + 2 / np.log2(3) + 1 / 2
    assert measured.ndcg == pytest.approx((2 + 1 / 2) / ideal)
    assert (measured.p_at_10, measured.unjudged, measured.judged) == (0.2, pytest.approx(1 / 3), 4)


# --- The feature -------------------------------------------------------------------------------------------


@pytest.fixture
def library(colours: str, index_now: Callable, db: None) -> dict[str, Asset]:
    """A picture of each of four colours, without a word."""
    assets = {
        colour: AssetFactory(title=f"Asset {number}", picture={"colour": colour, "seed": number})
        for number, colour in enumerate(("red", "green", "blue", "yellow"))
    }
    index_now()
    return assets


@pytest.fixture
def query(library: dict[str, Asset]) -> EvaluationQuery:
    """“red” in English, judged: red is right, yellow is partly, blue is wrong."""
    query = EvaluationQuery.objects.create(text="red", language="en")
    for colour, grade in (("red", Grade.RIGHT), ("yellow", Grade.PARTLY), ("blue", Grade.WRONG)):
        judging.judge(query, library[colour], grade, actor=None)
    return query


@pytest.fixture
def staff(client: Client, editor: Any) -> Client:
    client.force_login(editor)
    return client


def beside() -> Space:
    """A second space, complete and not switched to, as every reader sees it."""
    space, _report = reindex.reindex(OTHER, switch_over=False)
    index_of(space).count()  # a strongly consistent read returns when Milvus has caught up
    return space


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(f"admin:{name}", args=args), query)
    assert response.status_code == 200, response.content
    return response.content.decode()


def test_a_team_judges_runs_and_sees_figures(
    staff: Client, editor: Any, library: dict[str, Asset], django_assert_max_num_queries: Callable
) -> None:
    assert "Nothing has been measured yet" in page(staff, "search_evaluation")
    refused = staff.post(reverse("admin:search_evaluation"), follow=True).content.decode()
    assert "Nothing is judged as right yet" in refused
    assert not EvaluationRun.objects.exists()

    staff.post(reverse("admin:search_evaluationquery_add"), {"text": "红", "language": "zh"})
    query = EvaluationQuery.objects.get()
    with django_assert_max_num_queries(40):
        shown = page(staff, "search_judge", query.pk)
    assert shown.count("data-item ") == 4
    address = reverse("admin:search_judge", args=[query.pk])
    for colour, grade in (("red", 2), ("green", 0), ("blue", 0)):
        judgement = f"{library[colour].public_id}:{grade}"
        answer = staff.post(address, {"judgement": judgement}, headers={"X-Requested-With": "fetch"})
        assert answer.json() == {"grade": grade}
    staff.post(address, {"judgement": f"{library['blue'].public_id}:"})
    assert staff.post(address, {"judgement": f"{library['blue'].public_id}:7"}).status_code == 400
    assert staff.post(address, {"judgement": "x:1"}).status_code == 400
    found = Judgement.objects.values_list("asset_key", "grade", "by__username")
    assert set(found) == {
        (library["red"].pk, 2, editor.username), (library["green"].pk, 0, editor.username),
    }  # fmt: skip
    assert 'aria-pressed="true"' in page(staff, "search_judge", query.pk)

    staff.post(reverse("admin:search_evaluation"), {"k": "5"})
    tasks.evaluate()
    run = EvaluationRun.objects.get()
    assert (run.state, run.k, run.by, run.encoder) == (RunState.DONE, 5, editor, "colours:8")
    assert set(run.metrics) == {"all", "zh"}
    assert run.metrics["zh"] == {
        "map": 1.0, "recall": 1.0, "ndcg": 1.0, "p_at_10": 0.1, "unjudged": 0.5, "queries": 1, "judged": 2,
    }  # fmt: skip
    assert QueryResult.objects.get().first[0] == library["red"].pk
    shown = page(staff, "search_evaluation", measure="map", language="zh")
    assert "<polyline" in shown
    assert "1.000" in shown
    assert "style=" not in shown.partition('class="sq-page"')[2].partition("</main>")[0]
    assert str(library["red"].public_id) in page(staff, "search_evaluation_run", run.pk)
    tasks.evaluate()
    assert EvaluationRun.objects.count() == 1


def test_runs_are_per_space_and_nightly_only_where_something_changed(query: EvaluationQuery) -> None:
    tasks.evaluate_changed()
    tasks.evaluate_changed()
    assert [run.encoder for run in EvaluationRun.objects.all()] == ["colours:8"]
    beside()
    tasks.evaluate_changed()
    assert [run.encoder for run in EvaluationRun.objects.order_by("pk")] == ["colours:8", OTHER]
    Judgement.objects.filter(grade=Grade.WRONG).delete()
    tasks.evaluate_changed()
    assert EvaluationRun.objects.count() == 4
    metrics = EvaluationRun.objects.filter(encoder=OTHER).latest("pk").metrics["en"]
    assert metrics["judged"] == 2
    assert metrics["recall"] == 1.0


def test_no_encoder_is_blamed_for_what_nobody_can_find(
    query: EvaluationQuery, library: dict[str, Asset]
) -> None:
    editing.trash([library["yellow"]], actor=None)
    by_picture = EvaluationQuery.objects.create(picture_key=library["yellow"].pk, language="en")
    judging.judge(by_picture, library["red"], Grade.RIGHT, actor=None)
    (run,) = evaluation_runs.start(actor=None)
    tasks.evaluate()
    run.refresh_from_db()
    told = run.metrics["en"]
    assert (told["queries"], told["judged"], told["recall"]) == (1, 2, 1.0)
    editing.trash([library["red"]], actor=None)
    (run,) = evaluation_runs.start(actor=None)
    tasks.evaluate()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "Nothing is judged as right yet" in run.problem


def test_a_killed_run_is_done_again_and_a_failing_one_says_why(
    query: EvaluationQuery, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = evaluation_runs.start(actor=None)
    EvaluationRun.objects.update(state=RunState.RUNNING, leased_until=timezone.now() + timedelta(minutes=1))
    tasks.evaluate()
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    EvaluationRun.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    tasks.evaluate()
    run.refresh_from_db()
    assert (run.state, run.results.count()) == (RunState.DONE, 1)

    (failing,) = evaluation_runs.start(actor=None)
    with monkeypatch.context() as gone:
        gone.setattr("search.index.connection._client", None)
        settings.MILVUS_URI = "http://127.0.0.1:9"
        evaluation_runs.work(failing.pk)
    failing.refresh_from_db()
    assert (failing.state, failing.results.count()) == (RunState.FAILED, 0)
    assert "not available at the moment" in failing.problem


def test_the_command_measures_what_was_judged(query: EvaluationQuery) -> None:
    out = StringIO()
    call_command("evaluate_search", "--judged", "--json", stdout=out)
    (run,) = json.loads(out.getvalue())["runs"]
    assert (run["encoder"], run["k"], set(run["by_language"])) == ("colours:8", 10, {"all", "en"})
    out = StringIO()
    call_command("evaluate_search", "--judged", stdout=out)
    assert "colours:8\n  all: map " in out.getvalue()
    Judgement.objects.all().delete()
    for arguments, words in (
        (["--judged"], "Nothing is judged"), ([], "Give a folder, or"), ([".", "--judged"], "Give a folder"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=words):
            call_command("evaluate_search", *arguments, stdout=StringIO())


def test_judgements_go_out_and_come_in_as_a_table(
    staff: Client, query: EvaluationQuery, library: dict[str, Asset]
) -> None:
    response = staff.get(reverse("admin:search_judgements_export"))
    table = b"".join(response.streaming_content)
    lines = table.decode("utf-8-sig").splitlines()
    assert lines[0] == "query_id,iteration,asset,relevance,query,language,judged_by,judged_at"
    assert lines[1].startswith(f"{query.pk},0,{library['red'].public_id},2,red,en,")
    assert len(lines) == 4

    address = reverse("admin:search_judgements_import")
    before = sorted(Judgement.objects.values_list("asset_key", "grade"))

    def take(content: bytes) -> str:
        return staff.post(
            address, {"table": SimpleUploadedFile("judgements.csv", content)}, follow=True
        ).content.decode()

    for wrong, words in (
        (b"query,asset\n", "lacks the columns language, relevance"),
        (table.replace(b",2,red", b",9,red"), "Line 2: “9” is no relevance"),
        (table.replace(str(library["red"].public_id).encode(), b"0" * 32), "Line 2: there is no asset"),
        (table.replace(b"red,en", b"red,xx"), "“xx” is no language"),
        (b"\xff\xfe\x00", "save it as CSV in UTF-8"),
    ):
        assert words in take(wrong)
    assert sorted(Judgement.objects.values_list("asset_key", "grade")) == before
    assert EvaluationQuery.objects.count() == 1

    Judgement.objects.all().delete()
    assert "3 judgements taken in, 0 new queries." in take(table)
    assert sorted(Judgement.objects.values_list("asset_key", "grade")) == before
    line = f"{library['green'].public_id},1,a green thing,en\n".encode()
    assert "1 judgement taken in, 1 new query." in take(b"asset,relevance,query,language\n" + line)
    assert Judgement.objects.count() == 4

    # No spreadsheet takes a question for a formula, and it comes back as it was.
    EvaluationQuery.objects.filter(pk=query.pk).update(text="=1+1")
    table = b"".join(staff.get(reverse("admin:search_judgements_export")).streaming_content)
    assert b",2,'=1+1,en," in table
    assert "4 judgements taken in, 0 new queries." in take(table)


def test_a_deleted_picture_takes_its_judgements_along(
    query: EvaluationQuery, library: dict[str, Asset]
) -> None:
    EvaluationQuery.objects.create(picture_key=library["red"].pk)
    editing.trash([library["red"]], actor=None)
    editing.delete_forever([library["red"]], actor=None)
    assert sorted(Judgement.objects.values_list("grade", flat=True)) == [Grade.WRONG, Grade.PARTLY]
    assert list(EvaluationQuery.objects.all()) == [query]


def test_a_query_asks_something_once(staff: Client, library: dict[str, Asset]) -> None:
    address = reverse("admin:search_evaluationquery_add")
    assert "Give words, a picture, or both." in staff.post(address, {"language": "en"}).content.decode()
    picture = {"picture": str(library["blue"].public_id), "language": "en"}
    assert staff.post(address, picture).status_code == 302
    words = {"text": " blue ", "language": "en"}
    assert staff.post(address, words).status_code == 302
    assert "This query is there already." in staff.post(address, words).content.decode()
    unknown = {"text": "x", "language": "en", "picture": "00000000-0000-0000-0000-000000000000"}
    assert "There is no such asset." in staff.post(address, unknown).content.decode()
    queries = EvaluationQuery.objects.order_by("pk").values_list("text", "picture_key")
    assert list(queries) == [("", library["blue"].pk), ("blue", None)]
    shown = page(staff, "search_judge", EvaluationQuery.objects.earliest("pk").pk)
    assert shown.count("data-item ") == 3  # not the picture itself


# --- Side by side ------------------------------------------------------------------------------------------


def test_two_encoders_answer_side_by_side_and_people_vote(
    staff: Client, editor: Any, reviewer: Any, query: EvaluationQuery
) -> None:
    assert "There is one space only" in page(staff, "search_side_by_side", q="red")
    new = beside()
    old = live_space()
    assert comparable_spaces() == [old, new]
    shown = page(staff, "search_side_by_side", q="red")
    assert "The first 10 of both have 100 % in common." in shown
    assert shown.count("nDCG ") == 2
    assert shown.count("data-asset=") == 8
    assert "nDCG " not in page(staff, "search_side_by_side", q="green")

    address = reverse("admin:search_side_by_side")
    vote = {"q": "red", "left": old.pk, "right": new.pk, "preferred": "right"}
    staff.post(address, vote | {"preferred": "left"})
    staff.post(address, vote)
    staff.force_login(reviewer)
    turned = {"q": "red", "left": new.pk, "right": old.pk, "preferred": "left"}
    shown = staff.post(address, turned, follow=True).content.decode()
    assert "Your vote is noted." in shown
    staff.post(address, vote | {"preferred": "nonsense"})
    given = EncoderVote.objects.order_by("pk").values_list("by", "left", "preferred")
    assert list(given) == [
        (editor.pk, "colours:8", Preference.RIGHT), (reviewer.pk, OTHER, Preference.LEFT),
    ]  # fmt: skip
    shown = page(staff, "search_side_by_side", q="red")
    votes = shown.partition(">Votes<")[2]
    assert "<dd>2</dd>" in votes.partition(OTHER)[2].partition("<dt")[0]
