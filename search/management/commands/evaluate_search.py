"""Measure an encoder on a labelled set of pictures, or every encoder of the library by what was judged."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from tqdm import tqdm

from dam.management.base import AtelierCommand
from search import evaluation_runs
from search.encoders.base import EncoderError
from search.encoders.registry import get_encoder
from search.evaluation import EvaluationError, evaluate, read_labelled_set
from search.evaluation_models import RunState
from search.management import completion
from search.models import EvaluationRun

USAGE = 2


class Command(AtelierCommand):
    help = (
        "Report mAP, P@10, recall, nDCG and accuracy per language. DIR holds labels.csv (file,label) and "
        "queries.csv (label,language,query); the library and its index are left untouched. --judged measures "
        "the library's own spaces by the results that the team has judged, and keeps the figures."
    )
    examples = (
        ("the configured encoder on labelled pictures", "evaluate_search ~/labelled"),
        (
            "another encoder, for a program to read",
            "evaluate_search ~/labelled --encoder openclip:ViT-B-32/openai --json",
        ),
        ("what the team has judged", "evaluate_search --judged"),
    )
    exit_codes = {1: "the encoder cannot be used, or nothing was judged"}
    values = {"encoder": completion.encoders}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "dir", type=Path, nargs="?", metavar="DIR", help="labels.csv, queries.csv and pictures"
        )
        parser.add_argument("--encoder", default=settings.SEARCH_ENCODER, help="default: %(default)s")
        parser.add_argument("--judged", action="store_true", help="by the team's judgements, without DIR")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["judged"] == bool(options["dir"]):
            raise CommandError("Give a folder, or --judged.", returncode=USAGE)
        document = _judged() if options["judged"] else _labelled(options["dir"], options["encoder"])
        if options["json"]:
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
            return
        for part in document.get("runs", [document]):
            self.stdout.write(part["encoder"])
            for language, row in part["by_language"].items():
                figures = "  ".join(f"{name} {value:g}" for name, value in row.items())
                self.stdout.write(f"  {language}: {figures}")


def _labelled(folder: Path, encoder_id: str) -> dict[str, Any]:
    try:
        labelled = read_labelled_set(folder)
        with tqdm(total=len(labelled.files), unit="picture") as bar:
            measured = evaluate(get_encoder(encoder_id), labelled, bar.update)
    except EvaluationError as error:
        raise CommandError(str(error), returncode=USAGE) from error
    except EncoderError as error:
        raise CommandError(str(error), returncode=1) from error
    return {"encoder": encoder_id, "images": len(labelled.files), "by_language": measured}


def _judged() -> dict[str, Any]:
    try:
        started = evaluation_runs.start(actor=None)
    except evaluation_runs.NothingJudged as error:
        raise CommandError(str(error), returncode=1) from error
    for run in started:
        evaluation_runs.work(run.pk)
    runs = list(EvaluationRun.objects.filter(pk__in=[run.pk for run in started]).order_by("pk"))
    failed = [f"{run.encoder}: {run.problem}" for run in runs if run.state == RunState.FAILED]
    if failed:
        raise CommandError(" ".join(failed), returncode=1)
    return {
        "runs": [{"encoder": run.encoder, "k": run.k, "by_language": _ordered(run.metrics)} for run in runs]
    }


def _ordered(metrics: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Always in the same order, which PostgreSQL's JSON does not keep."""
    names = (*evaluation_runs.MEASURES, "queries", "judged")
    return {language: {name: metrics[language][name] for name in names} for language in sorted(metrics)}
