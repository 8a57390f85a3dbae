"""Taking sentences apart: a labelled table of questions, and who may be told which words."""

from __future__ import annotations

import pytest

from dam import editing
from search import terms
from search.models import AssetTerms
from search.understanding import understand
from tests.factories import AssetFactory, SKUFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "words_at_once")]

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
shirt withuot logo                  | shirt withuot logo       |
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
def library() -> None:
    """Words in both languages; the SKU SHRIT has a code that looks like a misspelt word."""
    dress = TagFactory(slug="dress", label="Dress", label_zh="连衣裙", synonyms=["frock"])
    red = TagFactory(slug="red", label="Red", label_zh="红色")
    lace = TagFactory(slug="lace", label="Lace", label_zh="蕾丝")
    for number in range(3):
        asset = AssetFactory(title=f"Red dress {number}", title_zh="红色连衣裙")
        asset.tags.add(dress, red)
    crown = AssetFactory(title="Golden crown", title_zh="王冠")
    crown.tags.add(lace)
    AssetFactory(title="No swimming", title_zh="灯塔")
    AssetFactory(title="Elegant lighthouse")
    editing.link_sku(crown, SKUFactory(code="SHRIT", name="Cotton shirt", name_zh="棉衬衫"), actor=None)
    editing.link_sku(crown, SKUFactory(code="NOSW", name="No swimming"), actor=None)
    editing.update_assets([crown], actor=None, changes={"description": "x"})
    for asset_id in AssetTerms.objects.values_list("pk", flat=True):
        terms.note([asset_id])
    terms.refresh()


def rows() -> list[tuple[str, str, list[str]]]:
    found = []
    for line in filter(None, TABLE.splitlines()):
        asked, wanted, unwanted = (part.strip() for part in line.split("|"))
        found.append((asked, wanted, [part.strip() for part in unwanted.split(";") if part.strip()]))
    return found


def test_questions_are_taken_apart_as_the_table_says(library: None) -> None:
    taken = [(asked, understand(asked)) for asked, _wanted, _unwanted in rows()]
    wrong = [
        f"{asked}: {found.wanted!r}, not {list(found.unwanted)} instead of {wanted!r}, not {unwanted}"
        for (asked, found), (_asked, wanted, unwanted) in zip(taken, rows(), strict=True)
        if (found.wanted, list(found.unwanted)) != (wanted, unwanted)
    ]
    assert not wrong, "\n".join(wrong)
    assert len(taken) >= 60
