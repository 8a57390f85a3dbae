"""Settings: embedded by default, production by environment (see .env.example for every variable)."""

from atelier.settings.admin import *  # noqa: F403
from atelier.settings.api import *  # noqa: F403
from atelier.settings.base import *  # noqa: F403
from atelier.settings.engines import *  # noqa: F403
from atelier.settings.queues import *  # noqa: F403
from atelier.settings.security import *  # noqa: F403
from atelier.settings.services import *  # noqa: F403
from atelier.settings.watching import *  # noqa: F403
