"""Taking sentences apart: a labelled table of questions, and who may be told which words."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from dam import editing, organising
from dam.models import Asset, AssetState, Tag
from search import synonyms
from search.models import AssetTerms, Synonym, Term, TermChange
from search.tasks import refresh_vocabulary, sweep_vocabulary
from search.understanding import understand
from tests.factories import AssetFactory, SKUFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "words_at_once")]
SEARCH, PAGE = "/api/v1/search/", "/admin/search/space/find/"
NAMES_OF_COLOURS = {
    "red", "红色", "white", "白色", "grey", "灰色", "pink", "粉色", "粉红色", "blue", "蓝色", "yellow",
    "黄色", "orange", "橙色", "green", "绿色",
}  # fmt: skip

# asked | wanted | not wanted
TABLE = """
t-shirt without logo                | t-shirt                  | logo
T-shirt with no logo                | T-shirt                  | logo
no logo                             |                          | logo
-logo                               |                          | logo
shirt -logo -pocket                 | shirt                    | logo; pocket
shirt -"long sleeves"               | shirt                    | long sleeves
no logo t-shirt                     | t-shirt                  | logo
no long sleeves                     |                          | long sleeves
dress not red                       | dress                    | red
not red dress                       | dress                    | red
non-red dress                       | dress                    | red
shoes, not red or blue              | shoes                    | red; blue
everything except shoes             |                          | shoes
except shoes                        |                          | shoes
red dress without belt and buttons  | red dress                | belt; buttons
dress without long sleeves in red   | dress in red             | long sleeves
handbag w/o chain                   | handbag                  | chain
shirt (no logo)                     | shirt                    | logo
logo-free cap                       | cap                      | logo
black shoes, no heels, not suede    | black shoes              | heels; suede
裙子 without 蕾丝                     | 裙子                      | 蕾丝
不要logo的T恤                         | T恤                      | logo
T恤 不要 logo                         | T恤                      | logo
没有花纹                              |                          | 花纹
没有花纹的裙子                         | 裙子                      | 花纹
连衣裙，不要红色                       | 连衣裙                    | 红色
不是红色的连衣裙                       | 连衣裙                    | 红色
非红色连衣裙                           | 连衣裙                    | 红色
除了鞋子以外                           |                          | 鞋子
除了鞋子和帽子以外的所有                 |                          | 鞋子; 帽子
除红色外的裙子                         | 裙子                      | 红色
无logo卫衣                            | 卫衣                      | logo
不带帽子和口袋的外套                    | 外套                      | 帽子; 口袋
没有人的街道                           | 街道                      | 人
无袖连衣裙                             | 无袖连衣裙                 |
无人机                                | 无人机                     |
非洲面具                              | 非洲面具                   |
不锈钢手表                             | 不锈钢手表                 |
有没有logo的T恤                        | 有没有logo的T恤            |
sleeveless dress                    | sleeveless dress         |
no-show socks                       | no-show socks            |
wireless headphones                 | wireless headphones      |
non-slip shoes                      | non-slip shoes           |
no. 5 perfume                       | no. 5 perfume            |
No entry                            | No entry                 |
No swimming                         | No swimming              |
"no logo" shirt                     | "no logo" shirt          |
forget-me-not flowers               | forget-me-not flowers    |
notebook                            | notebook                 |
red drss                            | red dress                |
golden crwon                        | golden crown             |
elegnat dress                       | elegant dress            |
lihgthouse                          | lighthouse               |
shirt withuot logo                  | shirt                    | logo
dress without lase                  | dress                    | lace
hongse lianyiqun                    | 红色连衣裙                 |
hongselianyiqun                     | 红色连衣裙                 |
hslyq                               | 红色连衣裙                 |
lian yi qun                         | 连衣裙                     |
lianyiqn                            | 连衣裙                     |
hongse dress                        | 红色 dress                |
连衣群                                | 连衣裙                     |
红涩连衣裙                             | 红色连衣裙                  |
蓝色连衣群                             | 蓝色连衣裙                  |
连衣群连衣群                            | 连衣裙连衣裙               |
王观                                  | 王冠                      |
实验                                  | 实验                      |
dress                               | dress                    |
dresses                             | dresses                  |
made in silk                        | made in silk             |
hoodie                              | hoodie                   |
gucci                               | gucci                    |
DR-77                               | DR-77                    |
SHRIT                               | SHRIT                    |
2026                                | 2026                     |
IMG2034                             | IMG2034                  |
"drss"                              | "drss"                   |
can pants                           | can pants                |
zorblatt                            | zorblatt                 |
的                                   | 的                        |
-                                   | -                        |
"""


@pytest.fixture
def library() -> dict[str, Asset]:
    """Words in both languages; the SKU SHRIT has a code that looks like a misspelt word."""
    dress = TagFactory(slug="dress", label="Dress", label_zh="连衣裙", synonyms=["frock"])
    red = TagFactory(slug="red", label="Red", label_zh="红色")
    lace = TagFactory(slug="lace", label="Lace", label_zh="蕾丝")
    assets = {}
    for number in range(3):
        asset = assets[f"dress {number}"] = AssetFactory(title=f"Red dress {number}", title_zh="红色连衣裙")
        asset.tags.add(dress, red)
    crown = assets["crown"] = AssetFactory(title="Golden crown", title_zh="王冠")
    crown.tags.add(lace)
    assets["sign"] = AssetFactory(title="Sign", title_zh="灯塔")
    assets["lighthouse"] = AssetFactory(title="Elegant lighthouse")
    shirt = SKUFactory(code="SHRIT", name="Cotton shirt", name_zh="棉衬衫")
    editing.link_sku(crown, shirt, actor=None)
    editing.link_sku(assets["sign"], SKUFactory(code="NOSW", name="No swimming"), actor=None)
    editing.update_assets(list(assets.values()), actor=None, changes={"description": "seen"})
    refresh_vocabulary()
    return assets


def rows() -> list[tuple[str, str, list[str]]]:
    found = []
    for line in filter(None, TABLE.splitlines()):
        asked, wanted, unwanted = (part.strip() for part in line.split("|"))
        found.append((asked, wanted, [part.strip() for part in unwanted.split(";") if part.strip()]))
    return found


def test_questions_are_taken_apart_as_the_table_says(library: dict[str, Asset], api: APIClient) -> None:
    taken = [(asked, understand(asked)) for asked, _wanted, _unwanted in rows()]
    wrong = [
        f"{asked}: {found.wanted!r}, not {list(found.unwanted)} instead of {wanted!r}, not {unwanted}"
        for (asked, found), (_asked, wanted, unwanted) in zip(taken, rows(), strict=True)
        if (found.wanted, list(found.unwanted)) != (wanted, unwanted)
    ]
    assert not wrong, "\n".join(wrong)
    assert len(taken) >= 60
    # The same through REST, the command and the page, with the way back.
    understood = api.get(SEARCH, {"q": "red drss without lase"}).json()["understood"]
    assert (understood["wanted"], understood["unwanted"]) == ("red dress", ["lace"])
    assert understood["corrections"] == {"drss": "dress", "lase": "lace"}
    literal = api.get(SEARCH, {"q": "red drss", "literal": "true"}).json()["understood"]
    assert (literal["wanted"], literal["corrections"]) == ("red drss", {})
    out = StringIO()
    call_command("search", "hongse lianyiqun", stdout=out)
    assert "Showing results for “红色连衣裙”; --literal" in out.getvalue()
    out = StringIO()
    call_command("search", "hongse lianyiqun", "--literal", "--json", stdout=out)
    assert json.loads(out.getvalue())["understood"]["wanted"] == "hongse lianyiqun"


def test_the_page_says_what_it_took_a_word_for(
    library: dict[str, Asset], editor: User, client: Client
) -> None:
    client.force_login(editor)
    page = client.get(PAGE, {"q": "golden crwon", "kind": "other"})
    assert "Showing results for <strong>golden crown</strong>." in page.content.decode()
    literal = client.get(PAGE + page.context["literal_url"])
    assert literal.context["results"].understood.wanted == "golden crwon"
    assert literal.context["asked"].filters.kind == ("other",)
    assert "Showing results for" not in literal.content.decode()
    assert "Showing results for" not in client.get(PAGE, {"q": "golden crown"}).content.decode()


def test_what_was_tagged_in_one_language_is_found_in_the_other(library: dict[str, Asset]) -> None:
    assert {"连衣裙", "frock", "红色"} <= set(understand("red dress").also)
    assert understand("frocks").also[:2] == ("Dress", "连衣裙")
    assert "Dress" in understand("一条连衣裙").also
    assert understand("crown").also == ()
    synonyms.save(Synonym(words=["crown", "tiara"], words_zh=["皇冠"]), actor=None)
    assert understand("golden Crown").also == ("tiara", "皇冠")
    assert understand("皇冠").also == ("crown", "tiara")
    synonyms.delete(Synonym.objects.get(), actor=None)
    assert understand("皇冠").also == ()


def test_colours_are_understood_inside_of_compounds_and_called_in_both_languages() -> None:
    for asked, names in {
        "红裙子": {"red", "红色"},
        "红色的鞋": {"red"},
        "白衬衫": {"white", "白色"},
        "red bag": {"红色"},
        "gray coat": {"grey", "灰色"},
        "粉红大衣": {"pink", "粉色", "粉红色"},
        "navy coat": set(),  # a shade: not everything that is blue
        "金色皇冠": set(),
        "orange": set(),  # a fruit, too
        "黄瓜": set(),
        "面粉": set(),
        "粉丝": set(),
        "明白": set(),
    }.items():
        assert NAMES_OF_COLOURS.intersection(understand(asked).also) == names, asked


def test_clothing_is_known_by_its_other_names_and_by_its_sorts() -> None:
    assert {"连衣裙", "半身裙", "dress", "skirt"} <= set(understand("红裙子").also)
    assert {"连衣裙", "dress"} <= set(understand("红裙").also)  # 裙 alone is a part of 围裙, too
    assert "连衣裙" not in understand("围裙").also
    assert "连衣裙" in understand("dress").also
    for narrower in ("连衣裙", "dress"):
        assert {"裙子", "半身裙", "skirt"}.isdisjoint(understand(narrower).also)
    synonyms.save(Synonym(words_zh=["裙子", "裙装"]), actor=None)
    assert understand("裙子").also == ("裙装",)
    synonyms.delete(Synonym.objects.get(), actor=None)
    assert "dress" in understand("裙子").also


def test_words_of_hidden_assets_are_told_to_the_team_alone(library: dict[str, Asset], editor: User) -> None:
    secret = TagFactory(slug="zephyr", label="Zephyr", label_zh="西风计划", synonyms=["dress"])
    hidden = AssetFactory(title="Marlinspike", title_zh="秘密样品", state=AssetState.DRAFT)
    hidden.tags.add(secret)
    editing.update_assets([hidden], actor=None, changes={"description": "seen"})
    refresh_vocabulary()
    for asked in ("zehpyr", "marlinspik", "mimiyangpin", "mmyp", "秘密洋品"):
        assert understand(asked).corrections == {}, asked
        assert understand(asked, user=AnonymousUser()).wanted == asked
        assert understand(asked, user=editor).corrections != {}, asked
    assert "Zephyr" in understand("dress", user=editor).also
    assert "Zephyr" not in understand("dress").also


def test_a_word_is_forgotten_the_moment_its_last_asset_leaves_the_storefront(
    library: dict[str, Asset], editor: User
) -> None:
    assert understand("golden crwon").wanted == "golden crown"
    editing.set_state([library["crown"]], actor=None, state=AssetState.ARCHIVED)
    assert TermChange.objects.exists()  # nobody has counted it yet
    assert understand("golden crwon").wanted == "golden crwon"
    assert understand("elegnat lighthouse").wanted == "elegnat lighthouse"  # nobody can be sure of it now
    assert understand("red drss").wanted == "red dress"  # more assets have it than may have gone
    assert understand("golden crwon", user=editor).wanted == "golden crown"
    refresh_vocabulary()
    assert understand("golden crwon").wanted == "golden crwon"
    assert understand("elegnat lighthouse").wanted == "elegant lighthouse"
    until = timezone.localdate() - timedelta(days=1)
    AssetTerms.objects.filter(pk=library["lighthouse"].pk).update(until=until)
    assert understand("elegnat lighthouse").wanted == "elegnat lighthouse"
    Asset.objects.filter(pk=library["lighthouse"].pk).update(usable_until=until)
    sweep_vocabulary()
    assert not TermChange.objects.exists()
    assert not Term.objects.filter(text="lighthouse", storefront__gt=0).exists()


def counts() -> dict[tuple[str, str], tuple[int, int]]:
    rows = Term.objects.values_list("kind", "text", "everywhere", "storefront")
    return {(kind, text): (everywhere, storefront) for kind, text, everywhere, storefront in rows}


def test_numbers_counted_by_change_are_those_counted_anew(library: dict[str, Asset]) -> None:
    dress, other, crown = library["dress 0"], library["dress 1"], library["crown"]
    assert counts()["tag", "连衣裙"] == (3, 3)
    editing.update_assets([dress], actor=None, changes={"title": "Blue gown"})
    editing.set_state([dress], actor=None, state=AssetState.DRAFT)
    editing.trash([other], actor=None)
    refresh_vocabulary()
    assert counts()["tag", "连衣裙"] == (2, 1)
    assert counts()["word", "gown"] == (1, 0)
    editing.restore([other], actor=None)
    organising.save(_renamed(Tag.objects.get(slug="dress"), "Robe"), actor=None)
    editing.trash([crown], actor=None)
    editing.delete_forever([crown], actor=None)
    refresh_vocabulary()
    by_change = counts()
    assert ("tag", "Dress") not in by_change
    assert by_change["tag", "Robe"] == (3, 2)
    assert ("sku", "Cotton shirt") not in by_change
    Term.objects.all().delete()
    AssetTerms.objects.all().delete()
    sweep_vocabulary()
    assert counts() == by_change


def _renamed(tag: Tag, label: str) -> Tag:
    tag.label = label
    return tag


def test_understanding_costs_no_query_where_every_word_is_known(
    library: dict[str, Asset], settings: Any, django_assert_num_queries: Any
) -> None:
    understand("golden crown")
    settings.SEARCH_VOCABULARY_SECONDS = 60
    with django_assert_num_queries(0):
        assert understand("golden crown without logo", user=None).unwanted == ("logo",)
    with django_assert_num_queries(
        4
    ):  # codes of SKUs, assets that wait, that are over, words on the storefront
        assert understand("golden crwon").wanted == "golden crown"
