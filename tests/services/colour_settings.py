"""The site's settings, and what the tests bring beside its own: for processes that tests start."""

from atelier.settings import *  # noqa: F403
from atelier.settings import GENERATION_PROVIDERS, SEARCH_ENCODERS
from tests.encoders import DIRECTORY

SEARCH_ENCODERS = {**SEARCH_ENCODERS, **DIRECTORY}
SEARCH_ENCODER = "colours:8"
SEARCH_BATCH_SIZE = 4
GENERATION_PROVIDERS = {
    **GENERATION_PROVIDERS,
    "painter": {"CLASS": "tests.generation.painter.Painter", "OPTIONS": {}},
}
