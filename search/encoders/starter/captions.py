"""How things are called: the wordings that training uses, and those that it must never see."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

COLOUR_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "red": {"en": ("red", "crimson", "scarlet"), "zh": ("红色", "红", "大红色")},
    "orange": {"en": ("orange", "orange-coloured"), "zh": ("橙色", "橘色")},
    "gold": {"en": ("golden", "gold", "gold-coloured"), "zh": ("金色", "金黄色", "黄金")},
    "yellow": {"en": ("yellow", "bright yellow"), "zh": ("黄色", "黄")},
    "green": {"en": ("green", "dark green"), "zh": ("绿色", "绿", "翠绿色")},
    "turquoise": {"en": ("turquoise", "teal", "cyan"), "zh": ("青色", "青绿色")},
    "blue": {"en": ("blue", "navy blue", "azure"), "zh": ("蓝色", "蓝", "深蓝色")},
    "light blue": {"en": ("light blue", "sky blue", "pale blue"), "zh": ("浅蓝色", "天蓝色")},
    "purple": {"en": ("purple", "violet"), "zh": ("紫色", "紫罗兰色")},
    "pink": {"en": ("pink", "rose pink"), "zh": ("粉色", "粉红色")},
    "brown": {"en": ("brown", "chestnut brown"), "zh": ("棕色", "褐色", "咖啡色")},
    "beige": {"en": ("beige", "cream-coloured"), "zh": ("米色", "米白色")},
    "grey": {"en": ("grey", "gray", "silver grey"), "zh": ("灰色", "银灰色")},
    "black": {"en": ("black", "jet black"), "zh": ("黑色", "黑")},
    "white": {"en": ("white", "snow white"), "zh": ("白色", "白")},
}

# What the class is called, in as many ways as a shop, a customer and a dictionary have.
GARMENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "dress": {
        "en": (
            "dress",
            "frock",
            "gown",
            "maxi dress",
            "midi dress",
            "sundress",
            "evening dress",
            "party dress",
            "cocktail dress",
            "wrap dress",
            "sleeveless dress",
            "floral dress",
            "one-piece dress",
            "long summer dress for a woman",
            "one-piece garment for women with bodice and skirt",
        ),
        "zh": (
            "长裙连身款",
            "吊带连衣裙",
            "碎花连衣裙",
            "晚礼服",
            "小礼裙",
            "连身裙",
            "女式连衣裙",
            "无袖连衣裙",
            "长款连衣裙",
            "夏季连衣裙",
            "派对穿的礼服裙",
            "上下连在一起的女装裙子",
            "收腰连衣裙",
            "雪纺连衣裙",
        ),
    },
    "hat": {
        "en": (
            "hat",
            "cap",
            "baseball cap",
            "beanie",
            "sun hat",
            "straw hat",
            "bucket hat",
            "knitted cap",
            "woolly hat",
            "fedora",
            "headgear",
            "peaked cap",
            "snapback",
            "something to wear on the head",
            "brimmed hat against the sun",
        ),
        "zh": (
            "棒球帽",
            "鸭舌帽",
            "针织帽",
            "毛线帽",
            "草帽",
            "遮阳帽",
            "渔夫帽",
            "礼帽",
            "太阳帽",
            "头上戴的帽子",
            "男士帽子",
            "女士帽子",
            "冬天戴的帽子",
            "帽饰",
            "头饰帽",
        ),
    },
    "longsleeve": {
        "en": (
            "long-sleeved shirt",
            "long sleeve tee",
            "long-sleeved jersey",
            "sweater",
            "pullover",
            "jumper",
            "sweatshirt",
            "knitted top with long sleeves",
            "long sleeve",
            "crew neck sweater",
            "turtleneck",
            "top with sleeves down to the wrists",
            "hoodie without zip",
            "thermal undershirt with long sleeves",
        ),
        "zh": (
            "长袖T恤",
            "长袖衫",
            "长袖打底衫",
            "套头衫",
            "针织衫",
            "毛衣",
            "卫衣",
            "长袖体恤",
            "长袖",
            "袖子到手腕的上衣",
            "秋季长袖",
            "圆领长袖",
            "高领打底衫",
            "套头毛衣",
        ),
    },
    "outwear": {
        "en": (
            "coat",
            "jacket",
            "overcoat",
            "winter coat",
            "parka",
            "anorak",
            "windbreaker",
            "down jacket",
            "puffer jacket",
            "blazer",
            "denim jacket",
            "leather jacket",
            "raincoat",
            "trench coat",
            "outerwear",
            "warm outer garment with a zip",
            "cardigan worn over a shirt",
            "bomber jacket",
        ),
        "zh": (
            "大衣",
            "夹克",
            "羽绒服",
            "风衣",
            "棉服",
            "冲锋衣",
            "皮衣",
            "牛仔外套",
            "西装外套",
            "冬季外套",
            "防寒服",
            "棉袄",
            "外衣",
            "穿在最外面的衣服",
            "带拉链的外套",
            "保暖外套",
            "夹克衫",
        ),
    },
    "pants": {
        "en": (
            "pants",
            "jeans",
            "slacks",
            "denim jeans",
            "chinos",
            "leggings",
            "sweatpants",
            "long pants",
            "joggers",
            "cargo pants",
            "dress pants",
            "full-length trousers",
            "tracksuit bottoms",
            "denims",
            "garment for both legs down to the ankles",
        ),
        "zh": (
            "裤子",
            "牛仔裤",
            "休闲裤",
            "西裤",
            "运动长裤",
            "打底裤",
            "工装裤",
            "直筒裤",
            "束脚裤",
            "长款裤子",
            "到脚踝的裤子",
            "卡其裤",
            "男士长裤",
            "女式长裤",
            "紧身裤",
        ),
    },
    "shirt": {
        "en": (
            "shirt",
            "dress shirt",
            "button-down shirt",
            "shirt with a collar",
            "collared shirt",
            "blouse",
            "checked shirt",
            "plaid flannel shirt",
            "oxford shirt",
            "formal white shirt",
            "business shirt",
            "shirt with buttons down the front",
            "office shirt",
            "striped button-down",
            "short-sleeved shirt",
        ),
        "zh": (
            "男士衬衫",
            "衬衣",
            "格子衬衫",
            "白衬衫",
            "正装衬衫",
            "带领子的衬衣",
            "有扣子的衬衫",
            "商务衬衫",
            "条纹衬衫",
            "女式衬衫",
            "法兰绒衬衫",
            "前面有一排纽扣的上衣",
            "翻领衬衫",
            "牛津纺衬衫",
            "短袖衬衫",
        ),
    },
    "shoes": {
        "en": (
            "shoes",
            "sneakers",
            "trainers",
            "running shoes",
            "boots",
            "leather shoes",
            "high heels",
            "sandals",
            "loafers",
            "ankle boots",
            "flats",
            "slippers",
            "canvas shoes",
            "sports shoes",
            "moccasins",
            "things you wear on your feet",
            "lace-up shoes",
            "pair of boots",
        ),
        "zh": (
            "鞋子",
            "运动鞋",
            "皮鞋",
            "靴子",
            "高跟鞋",
            "凉鞋",
            "帆布鞋",
            "球鞋",
            "跑步鞋",
            "休闲鞋",
            "穿在脚上的东西",
            "鞋履",
            "板鞋",
            "平底鞋",
            "拖鞋",
            "短靴",
            "系带鞋",
        ),
    },
    "shorts": {
        "en": (
            "short pants",
            "denim shorts",
            "bermuda shorts",
            "swim shorts",
            "running shorts",
            "gym shorts",
            "cargo shorts",
            "board shorts",
            "hot pants",
            "athletic shorts",
            "beach shorts",
            "cut-off jeans",
            "knee-length shorts",
            "pants that end above the knee",
            "swimming trunks",
            "summer shorts",
        ),
        "zh": (
            "牛仔短裤",
            "运动短裤",
            "沙滩裤",
            "五分裤",
            "热裤",
            "休闲短裤",
            "夏季短裤",
            "膝盖以上的裤子",
            "短款裤子",
            "泳裤",
            "中裤",
            "男士短裤",
            "女士短裤",
            "跑步短裤",
            "大裤衩",
        ),
    },
    "skirt": {
        "en": (
            "mini skirt",
            "pleated skirt",
            "denim skirt",
            "pencil skirt",
            "long skirt",
            "A-line skirt",
            "midi skirt",
            "tulle skirt",
            "miniskirt",
            "wrap skirt",
            "flared skirt",
            "women's skirt",
            "skirt without a top",
            "garment hanging from the waist",
            "tennis skirt",
            "floral skirt",
        ),
        "zh": (
            "半裙",
            "短裙",
            "百褶裙",
            "牛仔裙",
            "包臀裙",
            "A字裙",
            "半身长裙",
            "迷你裙",
            "纱裙",
            "女士半裙",
            "下身裙",
            "只有下半身的裙子",
            "碎花半裙",
            "高腰裙",
            "伞裙",
        ),
    },
    "t-shirt": {
        "en": (
            "tee",
            "tee shirt",
            "tee with a print",
            "crew neck tee",
            "short sleeve top",
            "graphic tee",
            "plain cotton tee",
            "short-sleeved jersey",
            "v-neck tee",
            "cotton t-shirt",
            "printed t-shirt",
            "collarless top with short sleeves",
            "summer tee",
            "sports t-shirt",
            "basic t-shirt",
            "polo shirt",
        ),
        "zh": (
            "短袖",
            "短袖T恤",
            "圆领T恤",
            "纯棉T恤",
            "印花T恤",
            "短袖上衣",
            "体恤衫",
            "T恤衫",
            "短袖衫",
            "文化衫",
            "夏天穿的短袖",
            "没有领子的短袖上衣",
            "男士短袖",
            "女士短袖",
            "汗衫",
            "运动T恤",
        ),
    },
}

# Two wordings of each class choose between trainings; no training sees them.
VALIDATION: dict[str, dict[str, tuple[str, ...]]] = {
    label: {language: (names[3], names[-1]) for language, names in words.items()}
    for label, words in GARMENTS.items()
}

# A wider word fits several classes.
WIDER: dict[str, tuple[frozenset[str], dict[str, tuple[str, ...]]]] = {
    "clothing": (
        frozenset(GARMENTS),
        {
            "en": ("clothes", "clothing item", "apparel", "fashion item", "something to wear"),
            "zh": ("服装", "衣物", "服饰", "穿戴用品", "时尚单品"),
        },
    ),
    "tops": (
        frozenset({"longsleeve", "outwear", "shirt", "t-shirt"}),
        {"en": ("top", "upper-body garment", "tops"), "zh": ("上衣", "上装", "上身穿的衣服")},
    ),
    "bottoms": (
        frozenset({"pants", "shorts", "skirt"}),
        {"en": ("bottoms", "lower-body garment", "garment worn below the waist"), "zh": ("下装", "下身穿的")},
    ),
    "trousers": (
        frozenset({"pants", "shorts"}),
        {"en": ("garment with two legs", "leg wear"), "zh": ("裤装", "有两条裤腿的衣物")},
    ),
    "women": (
        frozenset({"dress", "skirt"}),
        {
            "en": ("feminine skirt or dress", "women's dresses and skirts"),
            "zh": ("裙子", "女裙", "女生穿的裙子"),
        },
    ),
}

_FRAMES = {
    "en": (
        "{}",
        "{}",
        "a {}",
        "the {}",
        "photo of a {}",
        "a picture of a {}",
        "{} for women",
        "{} for men",
        "{} for kids",
        "{} on a plain background",
        "{} laid out on the floor",
        "{} on a hanger",
        "product shot of a {}",
        "{} for summer",
        "{} for winter",
        "second-hand {}",
        "new {} in the catalogue",
        "casual {}",
        "elegant {}",
        "{} for everyday wear",
        "{} for a party",
        "stylish {}",
        "cotton {}",
        "show me a {}",
        "where is my {}",
    ),
    "zh": (
        "{}",
        "{}",
        "一件{}",
        "{}的照片",
        "一张{}的图片",
        "女士{}",
        "男士{}",
        "儿童{}",
        "{}平铺图",
        "{}商品图",
        "挂着的{}",
        "放在地板上的{}",
        "夏季{}",
        "冬天的{}",
        "二手{}",
        "新款{}",
        "休闲{}",
        "优雅的{}",
        "日常穿的{}",
        "聚会穿的{}",
        "时尚{}",
        "纯棉{}",
        "我想找{}",
        "{}实拍",
        "复古风格的{}",
    ),
}
_COLOURED = {
    "en": ("{colour} {name}", "a {colour} {name}", "{name} in {colour}", "photo of a {colour} {name}"),
    "zh": ("{colour}{name}", "{colour}的{name}", "一个{colour}的{name}", "{colour}{name}的图片"),
}
_DRAWN = {
    "en": (
        "{}",
        "{}",
        "{}",
        "{}",
        "a {}",
        "a drawing of a {}",
        "icon of a {}",
        "{} emoji",
        "a picture of a {}",
        "an illustration of {}",
        "cartoon {}",
        "clip art: {}",
        "{} symbol",
        "cute {}",
    ),
    "zh": (
        "{}",
        "{}",
        "{}",
        "{}",
        "一个{}",
        "{}的图画",
        "{}图标",
        "{}表情",
        "一张{}的图片",
        "{}的插画",
        "卡通{}",
        "手绘{}",
        "{}符号",
        "可爱的{}",
    ),
}
_PHOTOGRAPHED = {
    "en": ("{}", "{}", "a {}", "a photo of a {}", "picture of a {}", "close-up of a {}"),
    "zh": ("{}", "{}", "一个{}", "{}的照片", "一张{}的图片", "{}特写"),
}
_TOGETHER = {
    "en": (
        "{a} and {b}",
        "a {a} with a {b}",
        "{a} next to a {b}",
        "{a} together with {b}",
        "{a} holding a {b}",
    ),
    "zh": ("{a}和{b}", "{a}与{b}", "{a}还有{b}", "带着{b}的{a}", "{a}旁边有{b}", "拿着{b}的{a}"),
}

# Judged with, never trained on: the ten queries of the data set, then wordings of our own.
HELD_OUT: dict[str, dict[str, tuple[str, ...]]] = {
    "dress": {"en": ("a dress", "ladies' one-piece for a wedding"), "zh": ("连衣裙", "女士夏天穿的裙装")},
    "hat": {"en": ("a hat or cap", "headwear"), "zh": ("帽子", "戴在头顶遮太阳的")},
    "longsleeve": {
        "en": ("a long-sleeved top", "shirt covering the whole arm"),
        "zh": ("长袖上衣", "遮住整个手臂的衣服"),
    },
    "outwear": {
        "en": ("a coat or jacket", "what to put on against the cold outside"),
        "zh": ("外套", "出门御寒的厚衣服"),
    },
    "pants": {"en": ("trousers", "long legwear"), "zh": ("长裤", "遮住整条腿的下装")},
    "shirt": {
        "en": ("a button-up shirt", "office wear with a collar and cuffs"),
        "zh": ("衬衫", "上班穿的有领有纽扣的衣服"),
    },
    "shoes": {"en": ("a pair of shoes", "footwear"), "zh": ("一双鞋", "走路时脚上穿的")},
    "shorts": {"en": ("shorts", "trousers leaving the knees bare"), "zh": ("短裤", "露出膝盖的裤子")},
    "skirt": {
        "en": ("a skirt", "waist-down garment for girls without legs"),
        "zh": ("半身裙", "女生腰部以下穿的裙"),
    },
    "t-shirt": {
        "en": ("a t-shirt", "light top with short arms and no buttons"),
        "zh": ("T恤", "没有纽扣的短袖薄上衣"),
    },
}
_HELD_OUT_WORDS = ("footwear", "headwear", "legwear", "裙装")
_ARTICLES = re.compile(r"^(?:a pair of|an?|the|一双|一件|一个)\s*")


def _core(text: str) -> str:
    return _ARTICLES.sub("", text.strip().lower()).strip()


_FORBIDDEN = {
    _core(text)
    for kept in (HELD_OUT, VALIDATION)
    for words in kept.values()
    for texts in words.values()
    for text in texts
}


def allowed(text: str) -> bool:
    """Whether training may see this wording."""
    return _core(text) not in _FORBIDDEN and not any(word in text.lower() for word in _HELD_OUT_WORDS)


@dataclass(frozen=True)
class Caption:
    """A wording, and everything that a picture must show for it to be true."""

    text: str
    needs: tuple[str, ...]


def colour_need(colour: str) -> str:
    """The tag of a colour."""
    return f"colour:{colour}"


def garment_captions(draw: random.Random) -> list[Caption]:
    """Every noun of every class in several frames, plain and with colours."""
    found: list[Caption] = []
    for label, names in GARMENTS.items():
        kept = VALIDATION[label]
        words = {
            language: tuple(name for name in options if name not in kept[language])
            for language, options in names.items()
        }
        found += _framed(words, f"garment:{label}", _FRAMES, 9, draw)
        found += _coloured(words, f"garment:{label}", tuple(COLOUR_WORDS), 1, draw)
    for wide, (_, words) in WIDER.items():
        found += _framed(words, f"wider:{wide}", _FRAMES, 5, draw)
    return [caption for caption in found if allowed(caption.text)]


def drawing_captions(
    names: dict[str, str], tag: str, colours: tuple[str, ...], draw: random.Random
) -> list[Caption]:
    """One drawing's name in both languages, bare and framed, and in each of its colours."""
    words = {language: (name,) for language, name in names.items()}
    found = [Caption(name, (tag,)) for name in names.values()]
    found += _framed(words, tag, _DRAWN, 2, draw) + _coloured(words, tag, colours, 1, draw)
    return [caption for caption in found if allowed(caption.text)]


def class_captions(
    words: dict[str, tuple[str, ...]], definition: str, tag: str, draw: random.Random
) -> list[Caption]:
    """A photographed class: its names in both languages and its definition."""
    found = [
        *_framed(words, tag, _PHOTOGRAPHED, 2, draw),
        Caption(definition, (tag,)),
    ]
    return [caption for caption in found if allowed(caption.text)]


def scene_captions(
    first: dict[str, str], second: dict[str, str], tags: tuple[str, str], draw: random.Random
) -> list[Caption]:
    """Two drawings in one picture, one wording a language."""
    found = []
    for language, frames in _TOGETHER.items():
        text = draw.choice(frames).format(a=first[language], b=second[language])
        found.append(Caption(text, tags))
    return [caption for caption in found if allowed(caption.text)]


def colour_captions() -> list[Caption]:
    """Colours by themselves."""
    frames = {"en": ("{}", "something {}", "a {} thing"), "zh": ("{}", "{}的东西", "{}的图片")}
    return [
        Caption(frame.format(word), (colour_need(colour),))
        for colour, words in COLOUR_WORDS.items()
        for language, options in words.items()
        for word in options
        for frame in frames[language]
    ]


def _framed(
    words: dict[str, tuple[str, ...]],
    tag: str,
    frames: dict[str, tuple[str, ...]],
    count: int,
    draw: random.Random,
) -> list[Caption]:
    texts = {
        frame.format(word)
        for language, options in words.items()
        for word in options
        for frame in draw.sample(frames[language], min(count, len(frames[language])))
    }
    return [Caption(text, (tag,)) for text in sorted(texts)]


def _coloured(
    words: dict[str, tuple[str, ...]], tag: str, colours: tuple[str, ...], count: int, draw: random.Random
) -> list[Caption]:
    found = []
    for colour in colours:
        for language, options in words.items():
            for _ in range(count):
                frame = draw.choice(_COLOURED[language])
                text = frame.format(
                    colour=draw.choice(COLOUR_WORDS[colour][language]), name=draw.choice(options)
                )
                found.append(Caption(text, (tag, colour_need(colour))))
    return found
