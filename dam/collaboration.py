"""Comments on assets and assignments: written by those who may, told to those concerned."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit, notices, workflow
from dam.models import Asset, Assignment, Comment, NoticeKind
from dam.models.collaboration import LONGEST_COMMENT
from dam.roles import Role, has_role
from dam.workflow import NotPermitted

LONGEST_TASK = 500


class NotTaken(ValueError):
    """The comment or the assignment cannot be taken; `str()` says why and what to do."""


@transaction.atomic
def comment(asset: Asset, text: str, *, author: User) -> Comment:
    """Say something about an asset; its owner and those who spoke before are told.

    Raises:
        NotTaken: no text, or more than 5,000 characters.
        NotPermitted: the author may not open the asset, or is no contributor.
    """
    text = text.strip()
    if not 0 < len(text) <= LONGEST_COMMENT:
        raise NotTaken(_("Write a comment of 1 to %(most)s characters.") % {"most": f"{LONGEST_COMMENT:,}"})
    _check_open(asset, author)
    said = Comment.objects.create(asset=asset, author=author, text=text)
    audit.record(author, "asset.commented", asset, comment=said.pk, text=text)
    spoke = User.objects.filter(pk__in=asset.comments.values("author"))
    concerned = [*spoke, *([asset.owner] if asset.owner else [])]
    notices.tell(
        _able_to_open(asset, concerned, but=author),
        NoticeKind.COMMENTED,
        asset,
        key=f"comment:{said.pk}",
        who=author.get_username(),
        text=text[:200],
    )
    return said


@transaction.atomic
def remove_comment(said: Comment, *, actor: User) -> None:
    """Take a comment back; the audit log keeps what it said.

    Raises:
        NotPermitted: it is somebody else's, and the actor is no administrator.
    """
    if said.author_id != actor.pk and not has_role(actor, Role.ADMINISTRATOR):
        raise NotPermitted(_("Only its author and administrators remove a comment."))
    audit.record(actor, "asset.comment_removed", said.asset, comment=said.pk, text=said.text)
    said.delete()


@transaction.atomic
def assign(
    assets: Iterable[Asset], *, to: User, task: str, actor: User, due_on: date | None = None
) -> list[Assignment]:
    """Ask somebody to do something with these assets.

    Raises:
        NotTaken: no task, a day that is over, or somebody who cannot open one of them.
        NotPermitted: one of them is not the actor's to change.
    """
    chosen, task = list(assets), " ".join(task.split())
    if not 0 < len(task) <= LONGEST_TASK:
        raise NotTaken(_("Say in 1 to %(most)s characters what is to be done.") % {"most": LONGEST_TASK})
    if due_on is not None and due_on < timezone.localdate():
        raise NotTaken(_("The day by which it is due is over; choose today or later."))
    workflow.check_changing(actor, chosen)
    keys = [asset.pk for asset in chosen]
    if not to.is_active or Asset.objects.visible_to(to).filter(pk__in=keys).count() < len(set(keys)):
        raise NotTaken(
            _("%(user)s cannot open what is to be assigned. Choose somebody else.")
            % {"user": to.get_username()}
        )
    made = Assignment.objects.bulk_create(
        Assignment(asset=asset, assignee=to, assigned_by=actor, task=task, due_on=due_on) for asset in chosen
    )
    deeds = [(one.asset, {"to": to.get_username(), "task": task, "due": due_on}) for one in made]
    audit.record_many(actor, "asset.assigned", deeds)
    if to != actor:
        notices.tell_each(
            [(to, one.asset, f"assigned:{one.pk}") for one in made],
            NoticeKind.ASSIGNED,
            who=actor.get_username(),
            text=task,
            due=due_on.isoformat() if due_on else "",
        )
    return made


@transaction.atomic
def finish(assignment: Assignment, *, actor: User) -> bool:
    """Say that it is done; whoever asked is told. Returns whether that is new.

    Raises:
        NotPermitted: it was asked of somebody else, and the actor is no editor.
    """
    if actor.pk not in (assignment.assignee_id, assignment.assigned_by_id) and not has_role(
        actor, Role.EDITOR
    ):
        raise NotPermitted(_("This was asked of somebody else; only they and editors say that it is done."))
    ended = Assignment.objects.filter(pk=assignment.pk, done_at=None).update(
        done_at=timezone.now(), done_by=actor
    )
    if not ended:
        return False
    audit.record(actor, "asset.assignment_done", assignment.asset, task=assignment.task)
    if assignment.assigned_by and assignment.assigned_by != actor:
        notices.tell(
            [assignment.assigned_by],
            NoticeKind.DONE,
            assignment.asset,
            key=f"done:{assignment.pk}",
            who=actor.get_username(),
            text=assignment.task,
        )
    return True


def open_for(user: User) -> QuerySet[Assignment]:
    """What the user has still to do, what is due first in front."""
    still = Assignment.objects.filter(assignee=user, done_at=None, asset__in=Asset.objects.visible_to(user))
    return still.select_related("asset__current", "assigned_by").order_by("due_on", "pk")


def _check_open(asset: Asset, user: User) -> None:
    if (
        not has_role(user, Role.CONTRIBUTOR)
        or not Asset.objects.visible_to(user).filter(pk=asset.pk).exists()
    ):
        raise NotPermitted(_("You may not comment on this asset."))


def _able_to_open(asset: Asset, users: Iterable[User], *, but: User) -> list[User]:
    others = {user.pk: user for user in users if user.pk != but.pk and user.is_active}
    return [user for user in others.values() if Asset.objects.visible_to(user).filter(pk=asset.pk).exists()]
