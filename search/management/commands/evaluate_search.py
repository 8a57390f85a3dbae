"""Measure an encoder on a labelled set of pictures."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from search.encoders.base import EncoderError
from search.encoders.registry import get_encoder
from search.evaluation import EvaluationError, evaluate, read_labelled_set

USAGE = 2


class Command(BaseCommand):
    help = (
        "Report mAP, P@10 and accuracy per language. DIR holds labels.csv (file,label) and queries.csv "
        "(label,language,query). The library and its index are left untouched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dir", type=Path)
        parser.add_argument("--encoder", default=settings.SEARCH_ENCODER, help="default: %(default)s")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            labelled = read_labelled_set(options["dir"])
            with tqdm(total=len(labelled.files), unit="picture") as bar:
                measured = evaluate(get_encoder(options["encoder"]), labelled, bar.update)
        except EvaluationError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except EncoderError as error:
            raise CommandError(str(error), returncode=1) from error
        document = {"encoder": options["encoder"], "images": len(labelled.files), "by_language": measured}
        if options["json"]:
            self.stdout.write(json.dumps(document, indent=2))
            return
        self.stdout.write(f"{options['encoder']} on {len(labelled.files)} pictures")
        for language, row in measured.items():
            self.stdout.write(
                f"  {language}: mAP {row['map']:.3f}  P@10 {row['p_at_10']:.3f}  "
                f"accuracy {row['accuracy']:.3f}"
            )
