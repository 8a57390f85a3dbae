"""Synonyms and the log of searches in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from dam.admin.changelist import KeyedChangeList, PlainChangeList
from dam.admin.webhooks import ForAdministrators
from dam.forms import WordsField
from dam.people import signed_in
from dam.table_downloads import csv_download
from search import synonyms
from search.searches_page import searches_page
from search.word_models import SearchLog, Synonym


class SynonymForm(forms.ModelForm):
    """A group of words that mean the same."""

    words = WordsField(
        label=gettext_lazy("Words (English)"),
        required=False,
        help_text=gettext_lazy("With commas between them: trousers, pants, slacks."),
    )
    words_zh = WordsField(
        label=gettext_lazy("Words (Chinese)"),
        required=False,
        help_text=gettext_lazy(
            "With commas between them: 裤子，长裤. Whoever searches for one of the words finds what has any "
            "of them; they are no secret from anybody who may search."
        ),
    )

    class Meta:
        model = Synonym
        fields = ("words", "words_zh")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        words, words_zh = (synonyms.cleaned(cleaned.get(name, ())) for name in ("words", "words_zh"))
        if problem := synonyms.problem_with(words, words_zh):
            raise forms.ValidationError(problem)
        return cleaned


class SynonymTableForm(forms.Form):
    """A table of synonyms."""

    table = forms.FileField(label=gettext_lazy("Table (CSV or XLSX)"))


@admin.register(Synonym)
class SynonymAdmin(ModelAdmin):
    form = SynonymForm
    compressed_fields = False
    list_display = ("english", "chinese")
    search_fields = ("words",)
    list_per_page = 100
    show_full_result_count = False
    actions = None
    change_list_template = "search/synonyms.html"
    when_empty = gettext_lazy(
        "Words that mean the same here: who searches for “trousers” then finds “pants” and “裤子” too. The "
        "names and synonyms of tags count without being written here, and so do colours and clothing in both "
        "languages; a group of your own takes the place of what is built in for its words."
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Synonym], search_term: str
    ) -> tuple[QuerySet[Synonym], bool]:
        """Looked for here: databases write Chinese in JSON in different ways, and the groups are few."""
        wanted = search_term.strip().lower()
        if not wanted:
            return queryset, False
        found = [group.pk for group in queryset if wanted in str(group).lower()]
        return queryset.filter(pk__in=found), False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str | list[str]]:
        """The report of searches leads here with a question that found nothing."""
        word = request.GET.get("word", "").replace(",", " ").replace("，", " ")
        return {"words" if word.isascii() else "words_zh": word}

    @display(description=gettext_lazy("Words (English)"))
    def english(self, group: Synonym) -> str:
        return ", ".join(group.words) or "–"

    @display(description=gettext_lazy("Words (Chinese)"))
    def chinese(self, group: Synonym) -> str:
        return "，".join(group.words_zh) or "–"

    def save_model(self, request: HttpRequest, obj: Synonym, form: Any, change: Any) -> None:
        synonyms.save(obj, actor=signed_in(request))

    def delete_model(self, request: HttpRequest, obj: Synonym) -> None:
        synonyms.delete(obj, actor=signed_in(request))

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("import/", guard(self.import_view), name="search_synonym_import"),
            path("export/", guard(self.export_view), name="search_synonym_export"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return csv_download(synonyms.table(), "synonyms.csv")

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """A table; with POST it is taken in, as a whole or not at all."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = SynonymTableForm(request.POST or None, request.FILES or None)
        taken, problem = None, ""
        if request.method == "POST" and form.is_valid():
            try:
                taken = synonyms.take(form.cleaned_data["table"], actor=signed_in(request))
            except synonyms.SynonymProblem as error:
                problem = str(error)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Take in a table of synonyms"),
            "form": form,
            "taken": taken,
            "problem": problem,
        }
        refused = problem or form.errors or (taken and taken.problems)
        return TemplateResponse(
            request, "search/synonym_import.html", context, status=422 if refused else 200
        )


@admin.register(SearchLog)
class SearchLogAdmin(ForAdministrators):
    """Single searches, with who asked: for administrators. The report, without, is for editors."""

    list_display = ("text", "at", "language", "total", "shown_ms", "entrance", "account", "degraded")
    list_filter = ("language", "entrance", "degraded")
    list_select_related = ("account",)
    search_fields = ("^normalised",)
    sortable_by = ()
    actions = None
    change_list_template = "dam/keyed_list.html"
    when_empty = gettext_lazy("Nobody has searched for words yet.")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeyedChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=gettext_lazy("milliseconds"))
    def shown_ms(self, entry: SearchLog) -> str:
        return f"{entry.took_ms:.0f}"

    def get_urls(self) -> list[URLPattern]:
        report = self.admin_site.admin_view(self.report)
        return [path("report/", report, name="search_searches"), *super().get_urls()]

    def report(self, request: HttpRequest) -> HttpResponseBase:
        return searches_page(request, self.admin_site)
