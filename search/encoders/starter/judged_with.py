"""The wordings that the encoder is judged with, three kinds of them; no training sees one."""

Wordings = dict[str, dict[str, tuple[str, ...]]]

# The ten queries that come with the photos.
DATA_SET: Wordings = {
    "dress": {
        "en": ("a dress",),
        "zh": ("连衣裙",),
    },
    "hat": {
        "en": ("a hat or cap",),
        "zh": ("帽子",),
    },
    "longsleeve": {
        "en": ("a long-sleeved top",),
        "zh": ("长袖上衣",),
    },
    "outwear": {
        "en": ("a coat or jacket",),
        "zh": ("外套",),
    },
    "pants": {
        "en": ("trousers",),
        "zh": ("长裤",),
    },
    "shirt": {
        "en": ("a button-up shirt",),
        "zh": ("衬衫",),
    },
    "shoes": {
        "en": ("a pair of shoes",),
        "zh": ("一双鞋",),
    },
    "shorts": {
        "en": ("shorts",),
        "zh": ("短裤",),
    },
    "skirt": {
        "en": ("a skirt",),
        "zh": ("半身裙",),
    },
    "t-shirt": {
        "en": ("a t-shirt",),
        "zh": ("T恤",),
    },
}

# What a shopper types, written without a look at the training captions; those found among them left out.
SHOPPERS: Wordings = {
    "dress": {
        "en": (
            "floor-length evening gown",
            "one-piece outfit for a bridesmaid",
            "little black cocktail number",
        ),
        "zh": (
            "女士夏天穿的裙装",
            "参加晚宴的礼服长裙",
            "吊带连身裙",
        ),
    },
    "hat": {
        "en": (
            "something to wear on your head in the sun",
            "straw headwear for the beach",
            "a visor to keep the sun off",
        ),
        "zh": (
            "遮阳的草帽",
            "冬天戴的毛线帽",
            "戴在头上的贝雷帽",
        ),
    },
    "longsleeve": {
        "en": (
            "long sleeved tee",
            "plain pullover top with full-length sleeves",
            "thin jersey top that covers the arms",
        ),
        "zh": (
            "圆领卫衣",
            "秋天单穿的套头长袖上衣",
            "纯棉长袖体恤",
        ),
    },
    "outwear": {
        "en": (
            "waterproof parka with a hood",
            "warm layer with a zip for cold weather",
            "raincoat for a walk in the drizzle",
        ),
        "zh": (
            "秋冬穿的厚外套",
            "防风防水的冲锋衣",
            "加绒的连帽大衣",
        ),
    },
    "pants": {
        "en": (
            "blue jeans",
            "trousers",
            "sweatpants for the gym",
        ),
        "zh": (
            "牛仔长裤",
            "运动时穿的束脚长裤",
            "工装长裤",
        ),
    },
    "shirt": {
        "en": (
            "button-down with a collar",
            "dress shirt for the office",
            "flannel plaid button-up",
        ),
        "zh": (
            "上班穿的正装衬衣",
            "配领带穿的带扣上衣",
            "牛津纺衬衣",
        ),
    },
    "shoes": {
        "en": (
            "footwear",
            "running sneakers",
            "leather ankle boots",
        ),
        "zh": (
            "女士高跟鞋",
            "夏天穿的凉拖",
            "脚上穿的小白鞋",
        ),
    },
    "shorts": {
        "en": (
            "swim trunks",
            "jean cutoffs",
            "bottoms for playing basketball that end at the knee",
        ),
        "zh": (
            "夏天穿的牛仔热裤",
            "打篮球穿的短裤",
            "膝盖以上的运动裤",
        ),
    },
    "skirt": {
        "en": (
            "pleated mini",
            "denim a-line skirt",
            "tartan kilt",
        ),
        "zh": (
            "半身裙",
            "包臀半裙",
            "搭配上衣穿的A字短裙",
        ),
    },
    "t-shirt": {
        "en": (
            "short sleeved tee",
            "graphic tee with a band logo",
            "white cotton short sleeve tee",
        ),
        "zh": (
            "圆领短袖体恤",
            "印花短袖上衣",
            "夏天穿的纯棉短袖T恤",
        ),
    },
}

# Descriptions that avoid the garment's name as far as they can.
PARAPHRASES: Wordings = {
    "dress": {
        "en": ("ladies' one-piece for a wedding",),
        "zh": ("女士夏天穿的裙装",),
    },
    "hat": {
        "en": ("headwear",),
        "zh": ("戴在头顶遮太阳的",),
    },
    "longsleeve": {
        "en": ("shirt covering the whole arm",),
        "zh": ("遮住整个手臂的衣服",),
    },
    "outwear": {
        "en": ("what to put on against the cold outside",),
        "zh": ("出门御寒的厚衣服",),
    },
    "pants": {
        "en": ("long legwear",),
        "zh": ("遮住整条腿的下装",),
    },
    "shirt": {
        "en": ("office wear with a collar and cuffs",),
        "zh": ("上班穿的有领有纽扣的衣服",),
    },
    "shoes": {
        "en": ("footwear",),
        "zh": ("走路时脚上穿的",),
    },
    "shorts": {
        "en": ("trousers leaving the knees bare",),
        "zh": ("露出膝盖的裤子",),
    },
    "skirt": {
        "en": ("waist-down garment for girls without legs",),
        "zh": ("女生腰部以下穿的裙",),
    },
    "t-shirt": {
        "en": ("light top with short arms and no buttons",),
        "zh": ("没有纽扣的短袖薄上衣",),
    },
}

ALL = (DATA_SET, SHOPPERS, PARAPHRASES)
