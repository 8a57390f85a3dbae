"""Trains the heads, in less than half an hour: `python -m search.encoders.starter.train --help`."""

from __future__ import annotations

import argparse
import json
import random
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search.encoders.starter import captions as wording
from search.encoders.starter import corpus, evaluate, pictures
from search.encoders.starter.captions import Caption
from search.encoders.starter.colour import FAMILIES, subject_shares
from search.encoders.starter.heads import Head, picture_head, save_heads, text_head
from search.encoders.starter.pictures import SEED, Pictures
from search.encoders.starter.prototypes import class_prototypes
from search.encoders.starter.sentences import text_features
from search.encoders.starter.towers import COLOURS, POOLED_FEATURES

Floats = NDArray[np.float32]

STEPS = 2000
RATE = 1.5e-3
PICTURES_A_STEP = {"drawing": 400, "scene": 60, "photo": 180, "class": 160}
TEXTS_A_STEP = 320
COLOUR_DROP = 0.25
DETAIL_DROP = 0.1  # prototypes have no details, so that a head must do without them too
FEATURE_NOISE = 0.15
TEXT_NOISE = 0.01
SAME_MEANING = 0.60
NEAR_MEANING = 0.3  # this share of what is right goes to captions that mean something alike
NEARNESS = 0.1
DISTILLATION = 0.5
TEXT_WEIGHT = 0.3
PICTURE_WEIGHT = 0.1
GLOSSARY = 9000
TRAINED_STYLES = (  # as the library stores them, twice
    ("colour", ("train",)),
    ("colour", ("train",)),
    ("flat", ("train", "style")),
    ("line", ("train", "style")),
)
_ALWAYS = "always"
_NEVER = -1e4


@dataclass(frozen=True)
class Corpus:
    """Everything that a step draws from, as tensors."""

    features: dict[str, torch.Tensor]
    tags: dict[str, torch.Tensor]
    options: dict[str, list[list[int]]]
    texts: torch.Tensor
    meaning: torch.Tensor
    needs: torch.Tensor
    translations: list[tuple[int, int]]
    glossary: torch.Tensor
    glossary_meaning: torch.Tensor
    noise: torch.Tensor


def _with_colours(seen: Pictures, *, measured: bool) -> list[frozenset[str]]:
    """Add the colours that the histogram finds; dyed drawings bring their own."""
    shares = subject_shares(seen.features[:, COLOURS])
    found = []
    for tags, row in zip(seen.tags, shares, strict=True):
        strong = {FAMILIES[index] for index in np.flatnonzero(row > 0.35)}
        if strong & {"gold", "yellow"} or row[FAMILIES.index("gold")] + row[FAMILIES.index("yellow")] > 0.45:
            strong |= {"gold", "yellow"}
        if "light blue" in strong:
            strong.add("blue")
        dyed = any(tag.startswith("colour:") for tag in tags)
        found.append(tags | {wording.colour_need(name) for name in strong} if measured and not dyed else tags)
    return found


def _captions(
    trained: tuple[corpus.Drawing, ...], classes: tuple[corpus.PhotoClass, ...], tags: list[frozenset[str]]
) -> list[Caption]:
    draw = random.Random(f"{SEED}|captions")  # noqa: S311
    colours = defaultdict(set)
    for true in tags:
        names = [tag.removeprefix("colour:") for tag in true if tag.startswith("colour:")]
        for tag in true:
            if tag.startswith("drawing:"):
                colours[tag].update(names)
    found = wording.garment_captions(draw) + wording.colour_captions()
    for item in trained:
        tag = pictures.drawing_tag(item)
        found += wording.drawing_captions(
            {"en": item.en, "zh": item.zh}, tag, tuple(sorted(colours[tag])), draw
        )
        found += [Caption(name, (tag,)) for name in item.others if wording.allowed(name)]
    for item in classes:
        words = {"en": item.en, "zh": item.zh}
        found += wording.class_captions(words, item.definition, f"class:{item.index}", draw)
    return found


def _chosen(caption: Caption) -> bool:
    """Every caption that needs one thing, but half of those that combine: there are enough of them."""
    combines = len(caption.needs) > 1 and not caption.needs[0].startswith("garment:")
    return not combines or zlib.crc32(caption.text.encode()) % 2 == 0


def _translations(found: list[Caption]) -> list[tuple[int, int]]:
    """Pairs of an English and a Chinese caption that need the same things."""
    sides: dict[tuple[str, ...], dict[bool, list[int]]] = defaultdict(lambda: {False: [], True: []})
    for index, caption in enumerate(found):
        chinese = any("一" <= character <= "鿿" for character in caption.text)
        sides[caption.needs][chinese].append(index)
    draw = random.Random(f"{SEED}|translations")  # noqa: S311
    return [
        (english, draw.choice(side[True])) for side in sides.values() if side[True] for english in side[False]
    ]


def assemble(clothing: Path) -> Corpus:
    """Render, see, caption and number everything that training uses."""
    trained = tuple(item for item in corpus.drawings() if item.split == "train")
    shown = tuple(item for item in corpus.drawings() if item.split in ("train", "style"))
    photos = tuple(item for item in corpus.photos(clothing) if item.split == "train")
    classes = tuple(item for item in corpus.photo_classes() if item.split == "train")
    variants, photo_seen = pictures.drawing_variants(shown), pictures.photo_variants(photos)
    scene_seen, pairs = pictures.scenes(trained)
    drawn = Pictures.joined([*(_library_of(style, groups) for style, groups in TRAINED_STYLES), variants])
    prototypes, spread = class_prototypes(clothing)
    garment = {index: label for label, indices in GARMENT_CLASSES.items() for index in indices}
    class_seen = Pictures(
        prototypes[[item.index for item in classes]],
        tuple(
            frozenset({f"class:{item.index}"})
            | (pictures.garment_tags(garment[item.index]) if item.index in garment else frozenset())
            for item in classes
        ),
    )
    return _numbered(
        {"drawing": drawn, "scene": scene_seen, "photo": photo_seen, "class": class_seen},
        shown,
        classes,
        pairs,
        spread,
    )


def _library_of(style: str, splits: tuple[str, ...]) -> Pictures:
    """The drawings of these splits in one style."""
    seen = pictures.library(corpus.drawings(), style)
    mine = [index for index, item in enumerate(corpus.drawings()) if item.split in splits]
    return Pictures(seen.features[mine], tuple(seen.tags[index] for index in mine))


# Photographed classes of ImageNet that are one of the ten garments.
GARMENT_CLASSES = {
    "hat": (515, 808),
    "pants": (608,),
    "t-shirt": (610,),
    "skirt": (655,),
    "dress": (578,),
    "shoes": (770, 630, 774, 502, 514),
    "outwear": (869, 568),
    "shorts": (842,),
    "longsleeve": (841,),
}


def _numbered(
    seen: dict[str, Pictures],
    trained: tuple[corpus.Drawing, ...],
    classes: tuple[corpus.PhotoClass, ...],
    pairs: tuple[tuple[corpus.Drawing, corpus.Drawing], ...],
    spread: Floats,
) -> Corpus:
    tags = {
        source: _with_colours(group, measured=source in ("drawing", "photo"))
        for source, group in seen.items()
    }
    found = _captions(trained, classes, tags["drawing"])
    draw = random.Random(f"{SEED}|scene captions")  # noqa: S311
    scene_options = []
    for first, second in pairs:
        both = (pictures.drawing_tag(first), pictures.drawing_tag(second))
        new = wording.scene_captions(
            {"en": first.en, "zh": first.zh}, {"en": second.en, "zh": second.zh}, both, draw
        )
        scene_options.append(list(range(len(found), len(found) + len(new))))
        found += new
    kept = [index for index, caption in enumerate(found) if _chosen(caption)]
    place = {old: new for new, old in enumerate(kept)}
    found = [found[index] for index in kept]
    scene_options = [[place[index] for index in options if index in place] for options in scene_options]
    evaluate.assert_unseen(caption.text for caption in found)
    names = sorted(
        {tag for group in tags.values() for true in group for tag in true}
        | {need for caption in found for need in caption.needs}
    )
    number = {name: index + 1 for index, name in enumerate(names)} | {_ALWAYS: 0}
    by_first: dict[str, list[int]] = defaultdict(list)
    for index, caption in enumerate(found):
        by_first[caption.needs[0]].append(index)
    options = {
        source: [
            [index for tag in sorted(true) for index in by_first[tag] if set(found[index].needs) <= true]
            for true in group
        ]
        for source, group in tags.items()
    }
    options["scene"] = scene_options
    entries = [pair for pair in corpus.glossary() if all(wording.allowed(text) for text in pair)]
    glossary = random.Random(f"{SEED}|glossary").sample(entries, GLOSSARY)  # noqa: S311
    texts, lemmas, definitions = np.split(
        text_features(
            [
                *(caption.text for caption in found),
                *(lemma for lemma, _ in glossary),
                *(definition for _, definition in glossary),
            ]
        ),
        [len(found), len(found) + GLOSSARY],
    )
    centre = np.concatenate([texts, lemmas]).mean(axis=0)
    return Corpus(
        features={source: torch.from_numpy(group.features) for source, group in seen.items()},
        tags={source: _multi_hot(group, number) for source, group in tags.items()},
        options=options,
        texts=torch.from_numpy(texts),
        meaning=_centred(texts, centre),
        needs=torch.tensor([[number[need] for need in (*caption.needs, _ALWAYS)][:2] for caption in found]),
        translations=_translations(found),
        glossary=torch.from_numpy(np.stack([lemmas, definitions], axis=1)),
        glossary_meaning=torch.stack([_centred(lemmas, centre), _centred(definitions, centre)], dim=1),
        noise=torch.from_numpy(spread),
    )


def _centred(vectors: Floats, centre: Floats) -> torch.Tensor:
    return nn.functional.normalize(torch.from_numpy(vectors - centre), dim=-1)


def _multi_hot(tags: list[frozenset[str]], number: dict[str, int]) -> torch.Tensor:
    hot = torch.zeros((len(tags), len(number)), dtype=torch.bool)
    hot[:, 0] = True
    for row, true in enumerate(tags):
        hot[row, [number[tag] for tag in true]] = True
    return hot


@dataclass
class Trainer:
    """Both heads, their optimiser and the running mean of their weights, which is what is kept."""

    data: Corpus
    steps: int = STEPS

    def __post_init__(self) -> None:
        torch.manual_seed(SEED)
        self.draw = random.Random(SEED)  # noqa: S311
        self.picture, self.text = picture_head(dropout=0.15), text_head(dropout=0.1)
        _standardise(self.picture, torch.cat([self.data.features[s] for s in ("drawing", "photo")]))
        _standardise(self.text, self.data.texts)
        self._begin_with_least_squares()
        self.temperature = nn.Parameter(torch.tensor(2.7))
        weights = [*self.picture.parameters(), *self.text.parameters()]
        self.optimiser = torch.optim.AdamW(
            [{"params": weights, "weight_decay": 0.05}, {"params": [self.temperature], "weight_decay": 0.0}],
            lr=RATE,
            betas=(0.9, 0.98),
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, max_lr=RATE, total_steps=self.steps, pct_start=0.08
        )
        average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
        self.kept = [
            torch.optim.swa_utils.AveragedModel(head, multi_avg_fn=average)
            for head in (self.picture, self.text)
        ]

    def _begin_with_least_squares(self) -> None:
        """Start at whitened picture features and the ridge regression of captions on them."""
        draw, known, said = random.Random(SEED), [], []  # noqa: S311
        for source in PICTURES_A_STEP:
            rows = [row for row, options in enumerate(self.data.options[source]) if options]
            known.append(self.data.features[source][rows])
            said += [draw.choice(self.data.options[source][row]) for row in rows]
        known[-1] = known[-1].clone()
        known[-1][:, POOLED_FEATURES:] = self.picture.mean[POOLED_FEATURES:]
        seen = (torch.cat(known) - self.picture.mean) * self.picture.scale
        values, vectors = torch.linalg.eigh(seen.T @ seen / len(seen))
        top = slice(-self.picture.linear.out_features, None)
        whitening = vectors[:, top] / (values[top] + 0.1 * values[top].mean()).sqrt()
        target = nn.functional.normalize(seen @ whitening, dim=-1)
        texts = (self.data.texts[said] - self.text.mean) * self.text.scale
        gram = texts.T @ texts + 0.02 * len(texts) * torch.eye(texts.shape[1])
        regression = torch.linalg.solve(gram, texts.T @ target)
        with torch.no_grad():
            self.picture.linear.weight.copy_(0.1 * whitening.T)
            self.picture.linear.bias.zero_()
            self.text.linear.weight.copy_(regression.T / (texts @ regression).norm(dim=1).mean())
            self.text.linear.bias.zero_()

    def run(self) -> tuple[Head, Head]:
        """Train to the end and return the averaged heads."""
        started = time.monotonic()
        for step in range(self.steps):
            loss = self._step()
            if step % 200 == 0 or step == self.steps - 1:
                print(f"step {step:5d}  loss {loss:.3f}  {time.monotonic() - started:.0f} s", flush=True)
        return tuple(kept.module.eval() for kept in self.kept)

    def _step(self) -> float:
        features, tags, chosen, source = self._batch()
        texts = self.data.texts[chosen]
        with torch.autocast("cpu", torch.bfloat16):
            pictured = self.picture(features).float()
            said = self.text(texts + TEXT_NOISE * torch.randn_like(texts)).float()
        scale = self.temperature.exp().clamp(max=100.0)
        right = tags[:, self.data.needs[chosen]].all(dim=-1)  # picture × caption
        meaning = self.data.meaning[chosen]
        alike = meaning @ meaning.T
        unsure = ~right & (((alike > SAME_MEANING) & (source[:, None] != source[None])) | (alike > 0.98))
        scores = (scale * pictured @ said.T).masked_fill(unsure, _NEVER)
        near = (alike / NEARNESS).masked_fill(unsure, _NEVER)
        matched = 0.5 * (_contrast(scores, right, near) + _contrast(scores.T, right.T, near.T))
        loss = (
            matched
            + TEXT_WEIGHT * self._text_loss()
            + PICTURE_WEIGHT * self._picture_loss(features, pictured)
        )
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*self.picture.parameters(), *self.text.parameters()], 2.0)
        self.optimiser.step()
        self.schedule.step()
        for kept, head in zip(self.kept, (self.picture, self.text), strict=True):
            kept.update_parameters(head)
        return loss.item()

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        features, tags, chosen, source = [], [], [], []
        for number, (name, count) in enumerate(PICTURES_A_STEP.items()):
            options = self.data.options[name]
            rows = self.draw.sample(range(len(options)), count)
            rows = [row for row in rows if options[row]]
            batch = self.data.features[name][rows].clone()
            if name == "class":
                noise = self.data.noise[torch.randint(len(self.data.noise), (len(rows),))]
                batch[:, :POOLED_FEATURES] += noise * torch.rand(len(rows), 1)
                batch[:, :POOLED_FEATURES].clamp_(min=0.0)
            seen = slice(COLOURS.start)
            batch[:, seen] += FEATURE_NOISE * torch.randn_like(batch[:, seen]) / self.picture.scale[seen]
            # The mean is zero to the head: what is not known says nothing.
            plain, grey = (
                torch.rand(len(rows)) < (1.0 if name == "class" else share)
                for share in (DETAIL_DROP, COLOUR_DROP)
            )
            batch[plain, POOLED_FEATURES : COLOURS.start] = self.picture.mean[POOLED_FEATURES : COLOURS.start]
            batch[grey, COLOURS] = self.picture.mean[COLOURS]
            features.append(batch)
            tags.append(self.data.tags[name][rows])
            chosen += [self.draw.choice(options[row]) for row in rows]
            source += [number] * len(rows)
        return torch.cat(features), torch.cat(tags), torch.tensor(chosen), torch.tensor(source)

    def _picture_loss(self, features: torch.Tensor, pictured: torch.Tensor) -> torch.Tensor:
        """Pictures stay as near to each other as the tower has them, for “more like this”."""
        known = nn.functional.normalize((features - self.picture.mean) * self.picture.scale, dim=-1)
        itself = torch.eye(len(known), dtype=torch.bool)
        teacher = (known @ known.T / NEARNESS).masked_fill(itself, _NEVER).softmax(dim=-1)
        student = (pictured @ pictured.T / NEARNESS).masked_fill(itself, _NEVER).log_softmax(dim=-1)
        return nn.functional.kl_div(student, teacher, reduction="batchmean")

    def _text_loss(self) -> torch.Tensor:
        """Words mean what their definition and their translation mean, and stay apart as e5 has them."""
        entries = torch.randint(len(self.data.glossary), (TEXTS_A_STEP // 2,))
        pairs = self.draw.sample(self.data.translations, TEXTS_A_STEP // 2)
        left, right = (torch.tensor([pair[side] for pair in pairs]) for side in (0, 1))
        first = torch.cat([self.data.glossary[entries, 0], self.data.texts[left]])
        second = torch.cat([self.data.glossary[entries, 1], self.data.texts[right]])
        known_first = torch.cat([self.data.glossary_meaning[entries, 0], self.data.meaning[left]])
        known_second = torch.cat([self.data.glossary_meaning[entries, 1], self.data.meaning[right]])
        with torch.autocast("cpu", torch.bfloat16):
            a, b = self.text(first).float(), self.text(second).float()
        teacher = (known_first @ known_second.T / 0.08).softmax(dim=-1)
        student = (a @ b.T / 0.08).log_softmax(dim=-1)
        same = torch.eye(len(a), dtype=torch.bool)
        kept = nn.functional.kl_div(student, teacher, reduction="batchmean")
        return _contrast(a @ b.T * 20.0, same) + DISTILLATION * kept


def _contrast(scores: torch.Tensor, right: torch.Tensor, near: torch.Tensor | None = None) -> torch.Tensor:
    """Cross-entropy towards every right answer of a row, in equal parts, and a little towards near ones."""
    share = right.float() / right.sum(dim=1, keepdim=True).clamp(min=1)
    if near is not None:
        share = (1 - NEAR_MEANING) * share + NEAR_MEANING * near.softmax(dim=1)
    rows = right.any(dim=1)
    return -(share * scores.log_softmax(dim=1)).sum(dim=1)[rows].mean()


def _standardise(head: Head, features: torch.Tensor) -> None:
    head.mean.copy_(features.mean(dim=0))
    head.scale.copy_(1.0 / (features.std(dim=0) + 0.2 * features.std(dim=0).mean()))


def card_table(figures: evaluate.Figures) -> str:
    """The figures of the model card, as Markdown."""
    rows = ["| On | Measure | English | Chinese |", "|---|---|---|---|"]
    for key, name in (
        ("clothing_data_set_queries", "data set's queries"),
        ("clothing_shoppers_wordings", "shopper's wordings"),
        ("clothing_paraphrases", "paraphrases"),
    ):
        group = figures[key]
        rows += [
            f"| {group['photos']} held-out clothing photos, {name} | {measure} "
            f"| {group['en'][field]:.3f} | {group['zh'][field]:.3f} |"
            for field, measure in (("map", "mAP"), ("p_at_10", "P@10"), ("accuracy", "accuracy"))
        ]
    counts = figures["drawings"]
    for style in ("colour", "line", "flat"):
        group = figures[f"recall_at_5_{style}"]
        rows += [
            f"| {counts[count]} {kind}; {style} drawings | recall@5 "
            f"| {group['en'][field]:.3f} | {group['zh'][field]:.3f} |"
            for kind, field, count in (
                ("names in all", "all", "names"),
                ("trained in full", "train", "train"),
                ("never seen finished", "style", "style"),
                ("never seen at all", "test", "test"),
            )
        ]
    group = figures["recall_at_5_unpaired_photo_classes"]
    rows.append(
        f"| {group['classes']} ImageNet classes never paired, among 1000 prototypes | recall@5 "
        f"| {group['en']:.3f} | {group['zh']:.3f} |"
    )
    return "\n".join(rows)


def _write_card(figures: evaluate.Figures) -> None:
    card = Path(__file__).with_name("MODEL_CARD.md")
    before, _, rest = card.read_text(encoding="utf-8").partition("<!-- figures -->")
    _, _, after = rest.partition("<!-- /figures -->")
    table = card_table(figures)
    card.write_text(f"{before}<!-- figures -->\n{table}\n<!-- /figures -->{after}", encoding="utf-8")


def _train(clothing: Path) -> int:
    """Train and save the heads; how many seconds it took."""
    started = time.monotonic()
    picture, text = Trainer(assemble(clothing)).run()
    print(json.dumps(evaluate.validate(clothing, picture, text)))
    save_heads(picture, text)
    return round(time.monotonic() - started)


def main() -> None:
    """Train, save the heads and measure them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--clothing", type=Path, default=corpus.CLOTHING, help="folder of images/ and labels.csv"
    )
    parser.add_argument(
        "--measure", action="store_true", help="measure the heads that are there; train nothing"
    )
    chosen = parser.parse_args()
    clothing = chosen.clothing
    if not corpus.photos(clothing):
        parser.error(f"There are no clothing photos in {clothing}: give their folder with --clothing.")
    torch.set_num_threads(2)
    kept = Path(__file__).with_name("metrics.json")
    if chosen.measure:
        seconds = json.loads(kept.read_text(encoding="utf-8"))["training_seconds"]
    else:
        seconds = _train(clothing)
    figures = {"training_seconds": seconds, **evaluate.measure(clothing)}
    kept.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _write_card(figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
