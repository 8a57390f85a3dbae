"""Leases: short, renewed while somebody is at work, and never taken back once they are let go."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from dam.leases import renewed
from dam.models import Import, ImportSource, ImportState

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = timedelta(seconds=0.6)


def test_renewed_while_at_work_and_free_soon_after(editor: object) -> None:
    run = Import.objects.create(
        owner=editor,
        source=ImportSource.FOLDER,
        state=ImportState.RUNNING,
        leased_until=timezone.now() + LEASE,
    )
    held = Import.objects.filter(pk=run.pk, leased_until__isnull=False)
    with renewed(held, LEASE):
        time.sleep(1.3)  # longer than two leases
        run.refresh_from_db()
        assert run.leased_until is not None and run.leased_until > timezone.now()
    time.sleep(0.8)
    run.refresh_from_db()
    assert run.leased_until < timezone.now()


def test_what_was_let_go_stays_free(editor: object) -> None:
    run = Import.objects.create(
        owner=editor, source=ImportSource.FOLDER, state=ImportState.RUNNING, leased_until=timezone.now()
    )
    with renewed(Import.objects.filter(pk=run.pk, leased_until__isnull=False), LEASE):
        Import.objects.filter(pk=run.pk).update(leased_until=None)
        time.sleep(0.5)
    run.refresh_from_db()
    assert run.leased_until is None
