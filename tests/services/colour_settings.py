"""The site's settings, and the encoders of the tests beside its own: for processes that tests start."""

from atelier.settings import *  # noqa: F403
from atelier.settings import SEARCH_ENCODERS
from tests.encoders import DIRECTORY

SEARCH_ENCODERS = {**SEARCH_ENCODERS, **DIRECTORY}
SEARCH_ENCODER = "colours:8"
SEARCH_BATCH_SIZE = 4
