"""The audit log: nobody changes it, administrators take it out."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam import editing
from dam.models import AuditEntry
from tests.factories import AssetFactory, EditorFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
AUDIT = "/api/v1/audit/"
PAGE = "/admin/dam/auditentry/"


def test_no_entry_is_changed_or_deleted(editor: User) -> None:
    AssetFactory(owner=editor)
    entry = AuditEntry.objects.latest("pk")
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()
    with pytest.raises(TypeError):
        AuditEntry.objects.update(action="nothing")
    with pytest.raises(TypeError):
        AuditEntry.objects.all().delete()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE dam_auditentry SET action = 'nothing'", "DELETE FROM dam_auditentry",
     "UPDATE dam_auditentry SET actor_id = NULL, actor_name = ''"],
)  # fmt: skip
def test_not_even_by_sql(editor: User, statement: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL keeps the log by a trigger.")
    AssetFactory(owner=editor)
    before = list(AuditEntry.objects.values())
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        connection.cursor().execute(statement)
    assert list(AuditEntry.objects.values()) == before


def test_who_it_was_stays_when_the_account_goes() -> None:
    somebody = EditorFactory(username="leaving")
    asset = AssetFactory()
    editing.update_assets([asset], actor=somebody, changes={"title": "New"})
    User.objects.filter(pk=somebody.pk).delete()
    entry = AuditEntry.objects.get(action="asset.updated")
    assert (entry.actor, entry.actor_name) == (None, "leaving")


def test_administrators_read_filter_and_export_it(api: APIClient, administrator: User, editor: User) -> None:
    asset = AssetFactory(title="=1+1")
    editing.update_assets([asset], actor=editor, changes={"title": "=cmd|'x'!A1"})
    api.force_authenticate(administrator)
    listed = api.get(AUDIT, {"actor": editor.username}).data["results"]
    assert [(one["action"], one["target"]) for one in listed] == [("asset.updated", str(asset.public_id))]
    answer = api.get(f"{AUDIT}export/", {"target": str(asset.public_id)})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["action"] for row in rows] == ["asset.ingested", "asset.updated"]
    assert rows[1]["actor"] == editor.username
    assert not [cell for row in rows for cell in row.values() if cell.startswith("=")]


@pytest.mark.parametrize("path", ["", "export/"])
def test_nobody_else_reads_it(
    api: APIClient, editor: User, reviewer: User, stranger: User, path: str
) -> None:
    assert api.get(f"{AUDIT}{path}").status_code in (401, 403)
    for user in (stranger, editor, reviewer):
        api.force_authenticate(user)
        assert api.get(f"{AUDIT}{path}").status_code == 403


def test_its_page_counts_nothing_and_every_entry_is_on_one_page(client: Client, administrator: User) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(action="tag.updated", target_type="tag", target_id=str(number)) for number in range(230)
    )
    client.force_login(administrator)
    seen: list[int] = []
    address, asked = PAGE, []
    while address:
        with CaptureQueriesContext(connection) as queries:
            shown = client.get(address).context["cl"]
        seen += [entry.pk for entry in shown.result_list]
        asked.append(len(queries))
        assert not [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        address = f"{PAGE}{shown.next_page}" if shown.next_page else ""
    assert seen == list(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True))
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_its_page_finds_by_id_action_and_user(client: Client, administrator: User, editor: User) -> None:
    asset, other = AssetFactory(), AssetFactory()
    editing.update_assets([asset], actor=editor, changes={"title": "New"})
    client.force_login(administrator)

    def found(words: str) -> list[tuple[str, str]]:
        shown = client.get(PAGE, {"q": words}).context["cl"].result_list
        return [(entry.action, entry.target_id) for entry in shown]

    of_asset, of_other = str(asset.public_id), str(other.public_id)
    assert found(of_asset) == [("asset.updated", of_asset), ("asset.ingested", of_asset)]
    assert found("Asset.ing") == [("asset.ingested", of_other), ("asset.ingested", of_asset)]
    assert found(editor.username) == [("asset.updated", of_asset)]
    assert found("nobody") == []
    assert "title: Asset" in (body := client.get(PAGE, {"q": editor.username}).content.decode())
    assert " → New" in body


def test_what_its_page_shows_is_taken_out(client: Client, administrator: User, editor: User) -> None:
    asset = AssetFactory()
    AssetFactory()
    editing.update_assets([asset], actor=editor, changes={"title": "New"})
    client.force_login(administrator)
    page = client.get(PAGE, {"q": str(asset.public_id)})
    where = page.context["export_url"]
    assert f'href="{where}"' in page.content.decode()
    text = b"".join(client.get(where).streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["action"] for row in rows] == ["asset.ingested", "asset.updated"]
    assert {row["target"] for row in rows} == {str(asset.public_id)}
    assert client.get(f"{PAGE}export/?actor__id__exact=x").status_code == 302
    client.force_login(editor)
    assert client.get(where).status_code == 403
