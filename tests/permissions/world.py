"""A library with everything in it of which somebody may not know, and one person of each role.

Whatever is not for everybody carries a mark in its words; `SEEN_BY` says who may ever be shown which.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from dam import (
    alt_suggestions,
    api_keys,
    bulk_edits,
    collaboration,
    custom_fields,
    editing,
    field_rules,
    notices,
    presets,
    sharing,
    upload_spool,
    uploads,
    versions,
)
from dam.bulk_edits import Change
from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import (
    ApiKey,
    Asset,
    AssetOrigin,
    AssetState,
    AuditEntry,
    BulkEdit,
    BulkState,
    Collection,
    CustomField,
    DeliveryState,
    DuplicatePair,
    FieldRule,
    Import,
    ImportOutcome,
    ImportRow,
    ImportSource,
    ImportState,
    NoticeKind,
    RenditionPreset,
    SavedSearch,
    UploadPurpose,
    UploadSession,
    UploadState,
    WebhookDelivery,
    WebhookEndpoint,
)
from dam.roles import Role
from generation import tryon
from generation.jobs import create_job
from generation.models import (
    CombinationRule,
    GenerationItem,
    GenerationJob,
    PromptTemplate,
    SpendEntry,
    SpendingCap,
    SpendState,
    StyleSet,
    TryOn,
    Verdict,
    VerdictEntry,
)
from generation.planning import plan_outfits
from generation.templates import save_template
from search import judging, query_log, terms
from search.evaluation_models import Grade, RunState
from search.models import (
    EvaluationQuery,
    EvaluationRun,
    Reindex,
    ReindexState,
    SearchLog,
    Space,
    SpaceState,
    Synonym,
)
from search.spaces import live_space
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory, UserFactory
from tests.pictures import picture

NOBODY, STOREFRONT, CONTRIBUTOR, OWNER, EDITOR, REVIEWER, ADMINISTRATOR = PEOPLE = (
    "nobody", "storefront", "contributor", "owner", "editor", "reviewer", "administrator",
)  # fmt: skip
BELOW_EDITORS = (NOBODY, STOREFRONT, CONTRIBUTOR, OWNER)
ROLES = {
    STOREFRONT: Role.STOREFRONT,
    CONTRIBUTOR: Role.CONTRIBUTOR,
    OWNER: Role.CONTRIBUTOR,
    EDITOR: Role.EDITOR,
    REVIEWER: Role.REVIEWER,
    ADMINISTRATOR: Role.ADMINISTRATOR,
}

# One word each, which no page and no sentence of Atelier has.
STAFF = "zqstaff"  # of the team: who works there, what it says, which presets it made
OWNED = "zqowned"  # the owner's own that is not on the storefront
HIDDEN = "zqhidden"  # somebody else's that is not on the storefront
PERSONAL = "zqpersonal"  # the owner's alone; administrators know of it
KEPT = "zqkept"  # somebody else's alone; administrators know of it
RESERVED = "zqreserved"  # for administrators
SEEN_BY = {
    STAFF: (CONTRIBUTOR, OWNER, EDITOR, REVIEWER, ADMINISTRATOR),
    OWNED: (OWNER, EDITOR, REVIEWER, ADMINISTRATOR),
    HIDDEN: (EDITOR, REVIEWER, ADMINISTRATOR),
    PERSONAL: (OWNER, ADMINISTRATOR),
    KEPT: (ADMINISTRATOR,),
    RESERVED: (ADMINISTRATOR,),
}


@dataclass
class World:
    """What there is, by the names that the tables use."""

    people: dict[str, User]
    assets: dict[str, Asset]
    things: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, Client] = field(default_factory=dict)
    # Secrets of API keys by name, each with the person whose eyes it sees with.
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    def by_token(self, person: str) -> APIClient:
        """A client that sends the person's token; nobody has none."""
        client = APIClient(raise_request_exception=False)
        if person != NOBODY:
            client.credentials(HTTP_AUTHORIZATION=f"Token {self.tokens[person]}")
        return client

    def by_key(self, name: str) -> APIClient:
        """A client that sends an API key."""
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.keys[name][0]}")
        return client

    def by_session(self, person: str) -> APIClient:
        """A client with the cookies of the person's session."""
        client = APIClient(raise_request_exception=False)
        if person != NOBODY:
            client.cookies.update(self.sessions[person].cookies)
        return client

    def hidden_names(self) -> list[str]:
        """What names the hidden assets besides words: nobody below editors is to be told either."""
        hidden = [self.assets[name] for name in ("hidden", "expired", "trashed", "look-alike")]
        ids = [str(asset.public_id) for asset in hidden]
        return ids + [asset.current.sha256 for asset in hidden if asset.current]

    def must_not_see(self, person: str) -> list[str]:
        """The words and names that no answer to this person may hold."""
        marks = [mark for mark, people in SEEN_BY.items() if person not in people]
        return marks + (self.hidden_names() if person in BELOW_EDITORS else [])


def build() -> World:
    """The whole library; takes a few seconds."""
    people = _people()
    colleague = UserFactory(username=f"{STAFF}-colleague", is_staff=True)
    keeper = UserFactory(username=f"{STAFF}-keeper", is_staff=True)
    for user in (colleague, keeper):
        user.groups.add(Group.objects.get(name=Role.CONTRIBUTOR))
    owner, editor = people[OWNER], people[EDITOR]
    world = World(people, _assets(owner, keeper, colleague))
    world.things |= {"keeper": keeper, "colleague": colleague}
    _organise(world, owner, keeper)
    _talk(world, owner, editor, keeper, colleague)
    _work_in_background(world, owner, keeper)
    _administrate(world, people[ADMINISTRATOR], editor, keeper)
    _generate(world, editor)
    _measure(world, people[ADMINISTRATOR])
    _search(world, keeper)
    for name, user in people.items():
        world.tokens[name] = Token.objects.create(user=user).key
        world.sessions[name] = Client()
        world.sessions[name].force_login(user)
    for name, owner_of_key, eyes in (
        ("storefront", ADMINISTRATOR, NOBODY), ("read", ADMINISTRATOR, EDITOR), ("admin", OWNER, OWNER),
    ):  # fmt: skip
        made, secret = api_keys.create(name, people[owner_of_key], [name], actor=None)
        # So that asking notes nothing, however long the tables take.
        ApiKey.objects.filter(pk=made.pk).update(last_used=timezone.now() + timedelta(days=1))
        world.keys[name] = secret, eyes
    return world


def _people() -> dict[str, User]:
    people = {}
    for name, role in ROLES.items():
        people[name] = UserFactory(username=f"{STAFF}-{name}", is_staff=name != STOREFRONT)
        people[name].groups.add(Group.objects.get(name=role))
    return people


def _assets(owner: User, keeper: User, colleague: User) -> dict[str, Asset]:
    made = {
        "shown": _asset("Lantern", 1, owner, size=(96, 64)),
        "foreign": _asset("Violin", 2, colleague),
        "draft": _asset(f"Kettle {OWNED}", 3, owner, state=AssetState.DRAFT),
        "hidden": _asset(f"Sledge {HIDDEN}", 4, keeper, state=AssetState.DRAFT),
        "expired": _asset(
            f"Compass {HIDDEN}", 5, colleague, rights_expire_on=timezone.localdate() - timedelta(days=2)
        ),
        "trashed": _asset(f"Anchor {HIDDEN}", 6, keeper, state=AssetState.DRAFT),
        "look-alike": _asset(f"Lantern too {HIDDEN}", 1, keeper, state=AssetState.DRAFT, size=(98, 64)),
        "revised": _asset("Parasol", 8, owner),
    }
    made["made"] = ingest(
        picture(seed=9),
        filename="made.jpg",
        owner=colleague,
        origin=AssetOrigin.GENERATED,
        parents=[ParentLink(made["hidden"], "product")],
        metadata=AssetMetadata(title="Bouquet", state=AssetState.APPROVED),
    ).asset
    # A file that was tried and taken back: the shop never showed it.
    versions.add_version(made["revised"], picture(seed=10), filename=f"tried-{OWNED}.jpg", actor=None)
    versions.restore_version(made["revised"], 1, actor=None)
    editing.trash([made["trashed"]], actor=None)
    for asset in made.values():
        asset.refresh_from_db()
    return made


def _asset(title: str, seed: int, owner: User, **given: Any) -> Asset:
    size = given.pop("size", (64, 48))
    mark = title.partition(" ")[2].split()[-1:]
    name = "-".join(["file", str(seed), *mark])
    drawn = {"seed": seed, "size": size}
    return AssetFactory(title=title, owner=owner, filename=f"{name}.jpg", picture=drawn, **given)


def _organise(world: World, owner: User, keeper: User) -> None:
    assets = world.assets
    above = TagFactory(slug=f"above-{HIDDEN}", label=f"Above {HIDDEN}")
    open_tag = TagFactory(slug="open-tag", label="Open tag", parent=above)
    hidden_tag = TagFactory(slug=f"tag-{HIDDEN}", label=f"Tag {HIDDEN}")
    for tag, names in ((open_tag, ("shown", "foreign")), (hidden_tag, ("hidden",))):
        for name in names:
            assets[name].tags.add(tag)
    article = SKUFactory(code=f"ARTICLE-{HIDDEN}", name=f"Article {HIDDEN}")
    open_sku = SKUFactory(code="OPEN-1", name="Lantern", parent=article)
    hidden_sku = SKUFactory(code=f"SKU-{HIDDEN}", name=f"Sledge {HIDDEN}")
    for asset, sku in (("shown", open_sku), ("hidden", hidden_sku), ("look-alike", open_sku)):
        editing.link_sku(assets[asset], sku, actor=None)
    own = CollectionFactory(name=f"Mine {OWNED}", owner=owner)
    editing.add_to_collection(own, [assets["shown"], assets["draft"], assets["hidden"]], actor=None)
    theirs = CollectionFactory(name=f"Theirs {HIDDEN}", owner=keeper)
    editing.add_to_collection(theirs, [assets["shown"], assets["hidden"]], actor=None)
    ends = timezone.now() + timedelta(days=3)
    world.things |= {
        "open tag": open_tag,
        "hidden tag": hidden_tag,
        "open SKU": open_sku,
        "hidden SKU": hidden_sku,
        "own collection": own,
        "their collection": theirs,
        "own link": sharing.create(own, actor=owner, expires_at=ends, label=f"For {OWNED}"),
        "their link": sharing.create(theirs, actor=keeper, expires_at=ends, label=f"For {HIDDEN}"),
        "locked link": sharing.create(own, actor=owner, expires_at=ends, password="open sesame"),
        "own search": SavedSearch.objects.create(owner=owner, name=f"Mine {PERSONAL}", query="kind=prop"),
        "their search": SavedSearch.objects.create(owner=keeper, name=f"Theirs {KEPT}", query="kind=prop"),
    }
    first, second = sorted((assets["shown"].pk, assets["look-alike"].pk))
    world.things["pair"] = DuplicatePair.objects.create(first_id=first, second_id=second, distance=2)


def _talk(world: World, owner: User, editor: User, keeper: User, colleague: User) -> None:
    assets = world.assets
    world.things |= {
        "owner's comment": collaboration.comment(assets["shown"], f"Bright enough? {STAFF}", author=owner),
        "comment on hidden": collaboration.comment(assets["hidden"], f"Not yet {HIDDEN}", author=keeper),
        "owner's task": collaboration.assign([assets["draft"]], to=owner, task=f"Crop {OWNED}", actor=editor)[
            0
        ],
        "colleague's task": collaboration.assign(
            [assets["foreign"]], to=colleague, task=f"Ask for the release {HIDDEN}", actor=editor
        )[0],
        "shared search": SavedSearch.objects.create(
            owner=editor, name=f"For all {STAFF}", query="kind=prop", shared=True
        ),
    }
    words = {"shown": "A lantern that burns", "hidden": f"A sledge {HIDDEN}"}
    for name, text in words.items():
        alt_suggestions.suggest([(assets[name], alt_suggestions.Words(alt_text=text))], source="a model")
    world.things |= {
        "suggestion": assets["shown"].alt_suggestions.get(),
        "suggestion on hidden": assets["hidden"].alt_suggestions.get(),
    }
    # They were told while they could still open it.
    told = [world.people[CONTRIBUTOR], owner, world.people[STOREFRONT]]
    notices.tell(told, NoticeKind.COMMENTED, assets["hidden"], key="told", who="x", text=f"Soon {HIDDEN}")
    notices.tell([owner], NoticeKind.COMMENTED, assets["draft"], key="own", who="x", text=f"Hm {PERSONAL}")
    notices.tell([keeper], NoticeKind.COMMENTED, assets["draft"], key="kept", who="x", text=f"Hm {KEPT}")


def _work_in_background(world: World, owner: User, keeper: User) -> None:
    assets = world.assets
    world.things |= {
        "own edit": _edit(owner, [assets["draft"]], OWNED),
        "their edit": _edit(keeper, [assets["hidden"]], HIDDEN),
        "own upload": _upload(owner, f"half-{PERSONAL}.jpg"),
        "their upload": _upload(keeper, f"half-{KEPT}.jpg"),
        "own import": _import(owner, f"packed-{PERSONAL}.zip", assets["hidden"]),
        "their import": _import(keeper, f"packed-{KEPT}.zip", assets["hidden"]),
    }
    # What was in the library already when the owner sent it, and has been hidden since.
    known = _upload(owner, "known.jpg")
    known.state, known.asset = UploadState.KNOWN, assets["expired"]
    known.save()
    archive = UploadSession.objects.create(
        owner=owner, purpose=UploadPurpose.IMPORT, name=f"new-{PERSONAL}.zip", length=22,
        state=UploadState.KEPT, expires=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    world.things["archive"] = archive


def _edit(user: User, assets: list[Asset], mark: str) -> BulkEdit:
    chosen = Asset.objects.filter(pk__in=[asset.pk for asset in assets])
    return bulk_edits.start(chosen, Change(add_tags=[f"later-{mark}"]), actor=user)


def _upload(user: User, name: str) -> UploadSession:
    return uploads.open_upload(user, name=name, length=10_000, purpose=UploadPurpose.ASSET, metadata={})


def _import(user: User, location: str, known: Asset) -> Import:
    run = Import.objects.create(
        owner=user, source=ImportSource.ARCHIVE, location=location, state=ImportState.READY, total=2,
        duplicates=1, rejected=1, columns=["file", "title"],
    )  # fmt: skip
    ImportRow.objects.create(run=run, name="again.jpg", outcome=ImportOutcome.KNOWN, asset=known)
    ImportRow.objects.create(
        run=run, name="bad.jpg", outcome=ImportOutcome.REJECTED, problem="No picture.", cells=["bad.jpg", "x"]
    )
    return run


def _administrate(world: World, administrator: User, editor: User, keeper: User) -> None:
    preset = RenditionPreset(slug=f"press-{STAFF}", title=f"Press {STAFF}", width=40, height=40)
    presets.save(preset, actor=administrator)
    hook = WebhookEndpoint.objects.create(
        name=f"Shop {RESERVED}", url=f"https://{RESERVED}.example.com/hook", secret=f"whsec_{RESERVED}",
        events=["asset.approved"], created_by=administrator,
    )  # fmt: skip
    key, _secret = api_keys.create(f"Shop {RESERVED}", keeper, ["read"], actor=administrator)
    sent = WebhookDelivery.objects.create(
        endpoint=hook, event="asset.approved", payload={"title": RESERVED}, state=DeliveryState.DELIVERED
    )
    season = CustomField(slug="season", label="Season", type="text", public=True)
    retired = CustomField(slug="old_season", label="Old season", type="text", active=False)
    for field_ in (season, retired):
        custom_fields.save(field_, actor=administrator)
    cost = CustomField(slug="cost", label=f"Cost {STAFF}", type="text")
    custom_fields.save(cost, actor=administrator)
    editing.update_assets([world.assets["shown"]], actor=None, changes={"custom.cost": f"12 {STAFF}"})
    world.assets["shown"].refresh_from_db()
    rule = FieldRule(kind="scene", state="approved", required=["licence"])
    field_rules.save(rule, actor=administrator)
    world.things |= {"season": season, "retired field": retired, "cost": cost, "rule": rule}
    entry = AuditEntry.objects.filter(actor=keeper).latest("pk")
    world.things |= {"preset": preset, "hook": hook, "delivery": sent, "entry": entry, "key": key}


def _search(world: World, keeper: User) -> None:
    """A question of somebody else, counted; words that mean the same; the library's own words."""
    asked = SearchLog.objects.create(
        text=f"Sled {HIDDEN}", normalised=f"sled {HIDDEN}", language="en", entrance="page", account=keeper,
        of_library=True, total=0, took_ms=3,
    )  # fmt: skip
    world.things |= {"logged search": asked, "synonym": Synonym.objects.create(words=["sled", "sledge"])}
    query_log.sum_up()
    terms.refresh()


def _generate(world: World, editor: User) -> None:
    """A job that waits, and a result that waits for a verdict."""
    model = AssetFactory(title="Model", kind="model", picture={"seed": 20})
    garment = AssetFactory(title="Coat", kind="garment", picture={"seed": 21})
    job = create_job(plan_outfits([model], [garment]), owner=editor)
    GenerationJob.objects.filter(pk=job.pk).update(title=f"Coats {HIDDEN}")
    output = AssetFactory(
        title=f"Result {HIDDEN}", state=AssetState.IN_REVIEW, origin=AssetOrigin.GENERATED,
        picture={"seed": 22},
    )  # fmt: skip
    item = job.items.get()
    done = GenerationItem.objects.create(
        job=job, position=item.position + 1, prompt=f"A coat {HIDDEN}", idempotency_key="done",
        state="succeeded", output=output,
    )  # fmt: skip
    blocked = GenerationItem.objects.create(
        job=job, position=item.position + 2, prompt=f"A coat {HIDDEN}", idempotency_key="blocked",
        state="blocked", verdict=Verdict.REGENERATE, cost="0.1",
    )  # fmt: skip
    SpendEntry.objects.create(
        item=blocked, job=job, owner=job.owner, attempt=1, provider=job.provider, key="blocked",
        amount_micros=100_000, currency=job.currency, state=SpendState.SETTLED,
    )  # fmt: skip
    verdict = VerdictEntry.objects.create(item=blocked, verdict=Verdict.REGENERATE, note=f"Longer {HIDDEN}")
    text = "A moonlit picture of {pictures}"
    template = PromptTemplate(key="moon", kind="outfits", name="Moon", text=text, text_zh=text)
    world.things |= {
        "job": job, "item": done, "model": model, "garment": garment, "blocked": blocked, "verdict": verdict,
        "cap": SpendingCap.objects.create(user=world.things["colleague"], amount=5),
        "style": StyleSet.objects.create(slug="noir", name="Noir"),
        "combination": CombinationRule.objects.create(name="One hat", terms=["hat"]),
        "template": save_template(template, actor=editor),
        "the editor's try-on": _tried_on(editor, garment),
    }  # fmt: skip


def _tried_on(editor: User, garment: Asset) -> TryOn:
    """The editor's own picture, and what was made of it."""
    photo = tryon.take_photo(BytesIO(picture(seed=23)), owner=editor, consent=True)
    item = tryon.try_on(photo, [garment]).items.get()
    tryon.keep_result(item, picture(seed=24), "image/jpeg")
    GenerationItem.objects.filter(pk=item.pk).update(state="succeeded")
    return TryOn.objects.get(item=item)


def _measure(world: World, administrator: User) -> None:
    """A reindex to another encoder that is under way, a space that was let go, and a judged query."""
    live = live_space()
    beside = {
        name: Space.objects.create(
            slug=name, encoder=f"starter-{name}", weights="none", dimension=8, collection=name, state=state
        )
        for name, state in (("next", SpaceState.BUILDING), ("former", SpaceState.RETIRED))
    }
    run = Reindex.objects.create(
        space=beside["next"], encoder="starter-next", state=ReindexState.PAUSED, by=administrator
    )
    query = EvaluationQuery.objects.create(text="Lantern")
    judging.judge(query, world.assets["hidden"], Grade.RIGHT, actor=None)
    figures = EvaluationRun.objects.create(space=live, encoder=live.encoder, state=RunState.DONE)
    figures.results.create(query=query, ndcg=0.5, scores={}, first=[world.assets["hidden"].pk])
    world.things |= {
        "reindex": run, "live space": live, "former space": beside["former"], "query": query,
        "measured": figures,
    }  # fmt: skip


def finish_edit(edit: BulkEdit) -> None:
    """As after the worker's last slice."""
    BulkEdit.objects.filter(pk=edit.pk).update(state=BulkState.DONE)


def spool(upload: UploadSession, content: bytes = b"") -> None:
    """Put an upload's bytes where they wait; earlier ones of the same upload are taken away."""
    upload_spool.remove(upload.public_id)
    upload_spool.create(upload.public_id)
    upload_spool.path_of(upload.public_id).write_bytes(content)


def collections_of(user: User) -> list[Collection]:
    return list(Collection.objects.filter(owner=user))


def everything(models: list[type[Model]]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of these tables."""
    return {model._meta.label: list(model._default_manager.order_by("pk").values_list()) for model in models}
