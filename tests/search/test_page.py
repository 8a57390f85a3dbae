"""The search page: what is asked and how, what is told about the results, and where they end."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from dam.models import Asset, AssetKind, AssetState
from tests.factories import AssetFactory, CollectionFactory, EditorFactory, UserFactory
from tests.pictures import picture, text_as_jpg

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]


@pytest.fixture
def library(index_now: Callable) -> dict[str, Asset]:
    assets = {
        "crown": AssetFactory(
            title="Golden crown", title_zh="金色王冠", kind=AssetKind.ACCESSORY, tags=["royal"]
        ),
        "dress": AssetFactory(
            title="Red dress", title_zh="红色连衣裙", kind=AssetKind.GARMENT, skus=[("DR-77", "packshot")]
        ),
        "draft": AssetFactory(title="Crown sketch", title_zh="王冠草图", state=AssetState.DRAFT),
        "robe": AssetFactory(title="Royal robe", kind=AssetKind.GARMENT, tags=["royal"]),
    }
    index_now()
    return assets


@pytest.fixture
def page(editor: User) -> Callable[..., str]:
    """Open the page with these parameters, or at this address; its HTML."""
    client = Client()
    client.force_login(editor)

    def open_page(asked: dict[str, object] | str = "", *, status: int = 200) -> str:
        url = reverse("admin:search_page")
        answer = client.get(f"{url}{asked}") if isinstance(asked, str) else client.get(url, asked)
        assert answer.status_code == status
        return answer.content.decode()

    return open_page


def found(html: str) -> list[str]:
    """The titles of the hits, in order."""
    hits = re.findall(r'class="at-card__title" href="[^"]*" title="([^"]*)"', html)
    return [unescape(title) for title in hits]


def link(html: str, pattern: str) -> str:
    """Where the first link leads whose tag and words match."""
    match = re.search(rf'<a[^>]* href="(\?[^"]*)"[^>]*>(?:(?!</a>).)*{pattern}', html, re.DOTALL)
    assert match is not None, pattern
    return unescape(match[1])


def line(html: str, label: str) -> str:
    """The line of a filter among the facets."""
    lines = re.findall(r'<li class="se-line.*?</li>', html, re.DOTALL)
    return next(one for one in lines if f'title="{label}"' in one)


def test_what_was_found_is_counted_and_filters_narrow_and_refuse(
    library: dict[str, Asset], page: Callable[..., str]
) -> None:
    html = page({"q": "金色王冠"})
    assert found(html)[0] == "Golden crown"
    assert f"like={library['crown'].public_id}" in html

    everything = page()
    assert sorted(found(everything)) == ["Crown sketch", "Golden crown", "Red dress", "Royal robe"]
    assert '<span class="se-line__count">2</span>' in line(everything, "Garment")
    garments = page(link(line(everything, "Garment"), "Garment"))
    assert sorted(found(garments)) == ["Red dress", "Royal robe"]

    # Another value of the same filter widens, one of another filter narrows; either goes by its chip.
    both = page(link(line(garments, "Accessory"), "Accessory"))
    assert sorted(found(both)) == ["Golden crown", "Red dress", "Royal robe"]
    royal = page(link(line(both, "royal"), "royal"))
    assert sorted(found(royal)) == ["Golden crown", "Royal robe"]
    assert sorted(found(page(link(royal, "Kind: Accessory")))) == ["Royal robe"]

    refused = page(link(line(everything, "royal"), "block"))
    assert sorted(found(refused)) == ["Crown sketch", "Red dress"]
    assert "se-chip--refused" in refused
    assert sorted(found(page(link(refused, "Take all filters away")))) == sorted(found(everything))


def test_a_collection_and_a_day_may_be_filters(library: dict[str, Asset], page: Callable[..., str]) -> None:
    first, second = CollectionFactory(name="Spring"), CollectionFactory(name="Autumn")
    first.items.create(asset=library["dress"])
    second.items.create(asset=library["robe"])
    for asset in ("dress", "robe"):
        library[asset].refresh_from_db()
    html = page({"collection": [first.pk, second.pk]})
    assert sorted(found(html)) == ["Red dress", "Royal robe"]
    assert "Collection: Spring" in html
    assert "not there any more" in page({"collection": 0}, status=400)
    assert found(page({"created_to": "2020-01-01"})) == []


def test_values_that_a_database_does_not_take_are_refused(
    library: dict[str, Asset], page: Callable[..., str]
) -> None:
    for name in ("tag", "not_tag", "sku", "not_sku"):
        assert "Null characters are not allowed" in page({name: "a\0b"}, status=400)
    for key in (10**20, "9" * 5000):
        assert "not there any more" in page({"collection": key}, status=400)
    days = {"created_from": "0001-01-01", "created_to": "9999-12-31"}
    assert len(found(page(days))) == len(library)


def test_pictures_have_an_address_that_only_their_owner_can_use(
    library: dict[str, Asset], page: Callable[..., str], editor: User
) -> None:
    client = Client()
    client.force_login(editor)
    url = reverse("admin:search_page")
    uploads = [SimpleUploadedFile(f"query-{seed}.png", picture(format="PNG", seed=seed)) for seed in (4, 5)]
    answer = client.post(f"{url}?kind=garment", {"image": uploads})
    assert answer.status_code == 302
    address = answer["Location"].removeprefix(url)
    assert address.startswith("?kind=garment&picture=")
    html = page(address)
    assert html.count("Your picture") >= 2
    assert sorted(found(html)) == ["Red dress", "Royal robe"]
    shown = re.findall(r'<img class="se-given__picture" src="([^"]+)"', html)
    assert len(shown) == 2
    assert client.get(shown[0])["Content-Type"] == "image/jpeg"

    other = Client()
    other.force_login(EditorFactory())
    assert other.get(shown[0]).status_code == 404
    assert "choose it again" in other.get(f"{url}{address}").content.decode()

    wrong = client.post(url, {"image": SimpleUploadedFile("x.jpg", text_as_jpg())})
    assert wrong.status_code == 400
    assert "not a picture" in wrong.content.decode()
    assert "Choose a picture" in client.post(url).content.decode()


def test_an_asset_counts_as_much_as_its_weight_says(
    library: dict[str, Asset], page: Callable[..., str]
) -> None:
    key = library["crown"].public_id
    html = page({"like": f"{key}:-1", "q": "crown"})
    assert re.search(rf'<option value="{key}:-1" selected>not like this</option>', html)
    assert "Golden crown" not in found(html)
    assert "Golden crown" not in found(page({"like": str(key)}))  # it is no answer to itself
    assert "Golden crown" in found(page(link(html, "Take “Golden crown” away")))
    for wrong, sentence in (
        (f"{key}:0", "not a weight"),
        (f"{key}:much", "not a weight"),
        ("crown", "not an asset"),
        ("01890000-0000-7000-8000-000000000000", "not there any more"),
    ):
        assert sentence in page({"like": wrong}, status=400)


def test_a_picked_colour_finds_what_has_it(index_now: Callable, page: Callable[..., str]) -> None:
    AssetFactory(title="Sea", picture={"colour": "navy", "seed": 1})
    AssetFactory(title="Brick", picture={"colour": "firebrick", "seed": 2})
    index_now()
    html = page({"pick": "#000080"})
    assert found(html)[0] == "Sea"
    assert "Brick" not in found(html)
    assert re.search(r'<input class="se-pick__colour" type="color" name="pick" value="#000080"', html)
    assert "written like #1e90ff" in page({"pick": "blue"}, status=400)


def test_every_hit_says_why_it_is_there(library: dict[str, Asset], page: Callable[..., str]) -> None:
    html = page({"q": "DR-77"})
    reasons = html[html.index(f'id="why-{library["dress"].public_id}"') :]
    assert "DR-77" in reasons[: reasons.index("</div>")]
    assert "exact" in reasons[: reasons.index("</div>")]


def test_more_results_go_on_where_the_page_ends(index_now: Callable, page: Callable[..., str]) -> None:
    for number in range(63):
        AssetFactory(title=f"Tile {number}", picture={"size": (64, 64), "seed": number})
    index_now()
    first = page({"all": "on"})
    after = re.search(r'rel="next" href="(\?[^"]*)"', first)
    assert after is not None
    second = page(unescape(after[1]))
    assert len(found(first)) == 60
    assert len(found(second)) == 3
    assert not set(found(first)) & set(found(second))
    assert 'rel="next"' not in second
    assert "start again" in page({"after": "made up"}, status=400)


def test_an_empty_library_says_what_to_do(page: Callable[..., str]) -> None:
    html = page()
    assert reverse("admin:dam_asset_upload") in html
    assert "the library is empty" in page({"q": "crown"})


def test_the_page_is_for_staff() -> None:
    client = Client()
    client.force_login(UserFactory())
    assert client.get(reverse("admin:search_page")).status_code == 302
