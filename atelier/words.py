"""Words of django-unfold's pages, named here for our Chinese catalogue: it brings none of its own."""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext

UNFOLD_WORDS = (
    _("Add row"),
    _("After you've created a user, you’ll be able to edit more user options."),
    _("All applications"),
    _("Apply Filters"),
    _("Choose file to upload"),
    _("Click to cancel"),
    _("Current file"),
    _("Dark"),
    _("Date"),
    _("Expand row"),
    _("False"),
    _("Filters"),
    _("From"),
    _("General"),
    _("Go back"),
    _("Light"),
    _("Loading more results..."),
    _("More actions"),
    _("Name"),
    _("Next"),
    _("No data"),
    _("No results found"),
    _("No results matching your query"),
    _("Previous"),
    _("Record picture"),
    _("Reset filters"),
    _("Return to site"),
    _("Run"),
    _("Search apps and models..."),
    _("Select action"),
    _("Select action to run"),
    _("Select all rows"),
    _("Select record"),
    _("Select value"),
    _("Submit"),
    _("System"),
    _("This item will be deleted."),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Time"),
    _("To"),
    _("Toggle password visibility"),
    _("True"),
    _("Type to search"),
    _("Unknown"),
    _("Value"),
    _("Welcome back to"),
    _("You have been successfully logged out from the administration"),
)


def results(counter: int) -> str:
    """Unfold's counter, for its plural forms."""
    return ngettext("%(counter)s result", "%(counter)s results", counter) % {"counter": counter}
