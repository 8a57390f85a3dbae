# ruff: noqa: E501  a row of a table is a line
"""The permission matrix of the admin: every page and every deed, on what, and what each role is answered.

To add a page: a row in PAGES, and one in DEEDS for what it does, with what it takes in `sent`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from generation.models import TryOn
from search.models import IndexEntry
from tests.permissions.rest import Row
from tests.permissions.world import World
from tests.pictures import picture

PAGES = """
page                                   on what                nobody store  contr  owner  edit   revie  admin

search                                 -                      302    302    200    200    200    200    200
index                                  -                      302    302    200    200    200    200    200
login                                  -                      200    200    302    302    302    302    302
logout                                 -                      302    302    405    405    405    405    405
second_step                            -                      302    302    302    302    302    302    302
account_security                       -                      302    302    200    200    200    200    200
password_change                        -                      302    302    200    200    200    200    200
password_change_done                   -                      302    302    200    200    200    200    200
autocomplete                           -                      302    302    403    403    403    403    403
jsi18n                                 -                      302    302    200    200    200    200    200
view_on_site                           shown                      302    302    404    404    404    404    404
authtoken_tokenproxy_changelist        -                      302    302    403    403    403    403    403
authtoken_tokenproxy_add               -                      302    302    403    403    403    403    403
authtoken_tokenproxy_history           token                  302    302    302    302    302    302    302
authtoken_tokenproxy_delete            token                  302    302    403    403    403    403    403
authtoken_tokenproxy_change            token                  302    302    403    403    403    403    403
auth_user_password_change              editor                 302    302    403    403    403    403    200
auth_user_changelist                   -                      302    302    403    403    403    403    200
auth_user_add                          -                      302    302    403    403    403    403    200
auth_user_history                      editor                 302    302    403    403    403    403    200
auth_user_delete                       editor                 302    302    403    403    403    403    200
auth_user_change                       editor                 302    302    403    403    403    403    200
auth_group_changelist                  -                      302    302    403    403    403    403    200
auth_group_add                         -                      302    302    403    403    403    403    200
auth_group_history                     group                  302    302    302    302    302    302    302
auth_group_delete                      group                  302    302    403    403    403    403    302
auth_group_change                      group                  302    302    403    403    403    403    302
dam_renditionpreset_changelist         -                      302    302    403    403    200    200    200
dam_renditionpreset_add                -                      302    302    403    403    403    403    200
dam_renditionpreset_history            preset                 302    302    403    403    200    200    200
dam_renditionpreset_delete             preset                 302    302    403    403    403    403    200
dam_renditionpreset_change             preset                 302    302    403    403    200    200    200
dam_bulkedit_progress                  own edit               302    302    404    200    200    200    200
dam_bulkedit_progress                  their edit             302    302    404    404    200    200    200
dam_bulkedit_undo                      own edit               302    302    404    405    405    405    405
dam_bulkedit_undo                      their edit             302    302    404    404    405    405    405
dam_bulkedit_stop                      own edit               302    302    404    405    405    405    405
dam_bulkedit_stop                      their edit             302    302    404    404    405    405    405
dam_bulkedit_changelist                -                      302    302    403    403    200    200    200
dam_bulkedit_add                       -                      302    302    403    403    403    403    403
dam_bulkedit_history                   own edit               302    302    302    403    200    200    200
dam_bulkedit_history                   their edit             302    302    302    302    200    200    200
dam_bulkedit_delete                    own edit               302    302    403    403    403    403    403
dam_bulkedit_delete                    their edit             302    302    403    403    403    403    403
dam_bulkedit_change                    own edit               302    302    404    200    200    200    200
dam_bulkedit_change                    their edit             302    302    404    404    200    200    200
dam_asset_upload                       -                      302    302    200    200    200    200    200
dam_asset_table                        -                      302    302    200    200    200    200    200
dam_asset_export                       -                      302    302    200    200    200    200    200
dam_asset_save_search                  -                      302    302    405    405    405    405    405
dam_asset_delete_search                own search             302    302    405    405    405    405    405
dam_asset_delete_search                shared search          302    302    405    405    405    405    405
dam_my_work                            -                      302    302    200    200    200    200    200
dam_read_news                          -                      302    302    405    405    405    405    405
dam_finish                             owner's task           302    302    405    405    405    405    405
dam_finish                             colleague's task       302    302    405    405    405    405    405
dam_asset_comment                      shown                  302    302    405    405    405    405    405
dam_asset_comment                      foreign                302    302    405    405    405    405    405
dam_asset_comment                      made                   302    302    405    405    405    405    405
dam_asset_comment                      draft                  302    302    404    405    405    405    405
dam_asset_comment                      hidden                 302    302    404    404    405    405    405
dam_asset_comment                      trashed                302    302    404    404    405    405    405
dam_asset_remove_comment               owner's comment        302    302    405    405    405    405    405
dam_asset_remove_comment               comment on hidden      302    302    404    404    405    405    405
dam_asset_alt_suggestion               suggestion             302    302    405    405    405    405    405
dam_asset_alt_suggestion               suggestion on hidden   302    302    404    404    405    405    405
dam_asset_assign                       shown                  302    302    405    405    405    405    405
dam_asset_assign                       foreign                302    302    405    405    405    405    405
dam_asset_assign                       made                   302    302    405    405    405    405    405
dam_asset_assign                       draft                  302    302    404    405    405    405    405
dam_asset_assign                       hidden                 302    302    404    404    405    405    405
dam_asset_assign                       trashed                302    302    404    404    405    405    405
dam_asset_panel                        shown                  302    302    200    200    200    200    200
dam_asset_panel                        foreign                302    302    200    200    200    200    200
dam_asset_panel                        made                   302    302    200    200    200    200    200
dam_asset_panel                        draft                  302    302    404    200    200    200    200
dam_asset_panel                        hidden                 302    302    404    404    200    200    200
dam_asset_panel                        trashed                302    302    404    404    200    200    200
dam_asset_add_version                  shown                  302    302    405    405    405    405    405
dam_asset_add_version                  foreign                302    302    405    405    405    405    405
dam_asset_add_version                  made                   302    302    405    405    405    405    405
dam_asset_add_version                  draft                  302    302    405    405    405    405    405
dam_asset_add_version                  hidden                 302    302    405    405    405    405    405
dam_asset_add_version                  trashed                302    302    405    405    405    405    405
dam_asset_restore_version              revised                302    302    405    405    405    405    405
dam_asset_compare                      revised                302    302    403    200    200    200    200
dam_asset_compare                      hidden                 302    302    404    404    302    302    302
dam_asset_empty_trash                  -                      302    302    403    403    403    403    200
dam_asset_take_from_file               shown                  302    302    405    405    405    405    405
dam_asset_take_from_file               foreign                302    302    405    405    405    405    405
dam_asset_take_from_file               made                   302    302    405    405    405    405    405
dam_asset_take_from_file               draft                  302    302    405    405    405    405    405
dam_asset_take_from_file               hidden                 302    302    405    405    405    405    405
dam_asset_take_from_file               trashed                302    302    405    405    405    405    405
dam_asset_verb                         shown                  302    302    405    405    405    405    405
dam_asset_verb                         foreign                302    302    405    405    405    405    405
dam_asset_verb                         made                   302    302    405    405    405    405    405
dam_asset_verb                         draft                  302    302    405    405    405    405    405
dam_asset_verb                         hidden                 302    302    405    405    405    405    405
dam_asset_verb                         trashed                302    302    405    405    405    405    405
dam_asset_changelist                   -                      302    302    200    200    200    200    200
dam_asset_add                          -                      302    302    302    302    302    302    302
dam_asset_history                      shown                  302    302    302    302    302    302    302
dam_asset_history                      foreign                302    302    302    302    302    302    302
dam_asset_history                      made                   302    302    302    302    302    302    302
dam_asset_history                      draft                  302    302    404    302    302    302    302
dam_asset_history                      hidden                 302    302    404    404    302    302    302
dam_asset_history                      trashed                302    302    404    404    302    302    302
dam_asset_delete                       shown                  302    302    403    403    200    200    200
dam_asset_delete                       foreign                302    302    403    403    200    200    200
dam_asset_delete                       made                   302    302    403    403    200    200    200
dam_asset_delete                       draft                  302    302    302    200    200    200    200
dam_asset_delete                       hidden                 302    302    302    302    200    200    200
dam_asset_delete                       trashed                302    302    302    302    403    403    200
dam_asset_change                       shown                  302    302    200    200    200    200    200
dam_asset_change                       foreign                302    302    200    200    200    200    200
dam_asset_change                       made                   302    302    200    200    200    200    200
dam_asset_change                       draft                  302    302    302    200    200    200    200
dam_asset_change                       hidden                 302    302    302    302    200    200    200
dam_asset_change                       trashed                302    302    302    302    200    200    200
dam_auditentry_changelist              -                      302    302    403    403    200    200    200
dam_auditentry_add                     -                      302    302    403    403    403    403    403
dam_auditentry_history                 entry                  302    302    302    302    302    302    200
dam_auditentry_delete                  entry                  302    302    403    403    403    403    403
dam_auditentry_change                  entry                  302    302    403    403    302    302    200
dam_collection_share                   own collection         302    302    405    405    405    405    405
dam_collection_share                   their collection       302    302    405    405    405    405    405
dam_collection_unshare                 own link               302    302    405    405    405    405    405
dam_collection_unshare                 their link             302    302    405    405    405    405    405
dam_collection_remove                  own collection         302    302    405    405    405    405    405
dam_collection_remove                  their collection       302    302    405    405    405    405    405
dam_collection_changelist              -                      302    302    403    403    200    200    200
dam_collection_add                     -                      302    302    403    403    200    200    200
dam_collection_history                 own collection         302    302    302    403    200    200    200
dam_collection_history                 their collection       302    302    302    302    200    200    200
dam_collection_delete                  own collection         302    302    403    403    200    200    200
dam_collection_delete                  their collection       302    302    403    403    200    200    200
dam_collection_change                  own collection         302    302    403    403    200    200    200
dam_collection_change                  their collection       302    302    403    403    200    200    200
dam_duplicatepair_changelist           -                      302    302    403    403    200    200    200
dam_duplicatepair_add                  -                      302    302    403    403    403    403    403
dam_duplicatepair_history              pair                   302    302    403    403    200    200    200
dam_duplicatepair_delete               pair                   302    302    403    403    403    403    403
dam_duplicatepair_change               pair                   302    302    403    403    200    200    200
dam_import_run                         own import             302    302    404    200    404    404    200
dam_import_run                         their import           302    302    404    404    404    404    200
dam_import_verb                        own import             302    302    405    405    405    405    405
dam_import_verb                        their import           302    302    405    405    405    405    405
dam_import_errors                      own import             302    302    404    200    404    404    200
dam_import_errors                      their import           302    302    404    404    404    404    200
dam_import_changelist                  -                      302    302    200    200    200    200    200
dam_import_add                         -                      302    302    200    200    200    200    200
dam_import_history                     own import             302    302    302    200    302    302    200
dam_import_history                     their import           302    302    302    302    302    302    200
dam_import_delete                      own import             302    302    403    403    403    403    403
dam_import_delete                      their import           302    302    403    403    403    403    403
dam_import_change                      own import             302    302    404    302    404    404    302
dam_import_change                      their import           302    302    404    404    404    404    302
dam_sku_coverage                       -                      302    302    403    403    200    200    200
dam_fieldrule_changelist               -                      302    302    403    403    403    403    200
dam_fieldrule_add                      -                      302    302    403    403    403    403    200
dam_fieldrule_history                  rule                   302    302    403    403    403    403    200
dam_fieldrule_delete                   rule                   302    302    403    403    403    403    200
dam_fieldrule_change                   rule                   302    302    403    403    403    403    200
dam_customfield_changelist             -                      302    302    403    403    403    403    200
dam_customfield_add                    -                      302    302    403    403    403    403    200
dam_customfield_history                season                 302    302    403    403    403    403    200
dam_customfield_delete                 season                 302    302    403    403    403    403    200
dam_customfield_change                 season                 302    302    403    403    403    403    200
dam_sku_sync                           -                      302    302    403    403    200    200    200
dam_sku_export                         -                      302    302    403    403    200    200    200
dam_auditentry_export                  -                      302    302    403    403    403    403    200
dam_sku_changelist                     -                      302    302    200    200    200    200    200
dam_sku_add                            -                      302    302    403    403    200    200    200
dam_sku_history                        open SKU               302    302    200    200    200    200    200
dam_sku_history                        hidden SKU             302    302    302    302    200    200    200
dam_sku_delete                         open SKU               302    302    403    403    200    200    200
dam_sku_delete                         hidden SKU             302    302    403    403    200    200    200
dam_sku_change                         open SKU               302    302    200    200    200    200    200
dam_sku_change                         hidden SKU             302    302    302    302    200    200    200
dam_tag_changelist                     -                      302    302    200    200    200    200    200
dam_tag_add                            -                      302    302    403    403    200    200    200
dam_tag_history                        open tag               302    302    200    200    200    200    200
dam_tag_history                        hidden tag             302    302    302    302    200    200    200
dam_tag_delete                         open tag               302    302    403    403    200    200    200
dam_tag_delete                         hidden tag             302    302    403    403    200    200    200
dam_tag_change                         open tag               302    302    200    200    200    200    200
dam_tag_change                         hidden tag             302    302    302    302    200    200    200
dam_apikey_changelist                  -                      302    302    403    403    403    403    200
dam_apikey_add                         -                      302    302    403    403    403    403    200
dam_apikey_history                     key                    302    302    403    403    403    403    200
dam_apikey_delete                      key                    302    302    403    403    403    403    403
dam_apikey_change                      key                    302    302    403    403    403    403    200
dam_webhookendpoint_changelist         -                      302    302    403    403    403    403    200
dam_webhookendpoint_add                -                      302    302    403    403    403    403    200
dam_webhookendpoint_history            hook                   302    302    403    403    403    403    200
dam_webhookendpoint_delete             hook                   302    302    403    403    403    403    200
dam_webhookendpoint_change             hook                   302    302    403    403    403    403    200
dam_webhookdelivery_changelist         -                      302    302    403    403    403    403    200
dam_webhookdelivery_add                -                      302    302    403    403    403    403    403
dam_webhookdelivery_history            delivery               302    302    403    403    403    403    200
dam_webhookdelivery_delete             delivery               302    302    403    403    403    403    403
dam_webhookdelivery_change             delivery               302    302    403    403    403    403    200
search_page                            -                      302    302    200    200    200    200    200
search_query_picture                   -                      302    302    404    404    404    404    404
search_spend                           -                      302    302    403    403    200    200    200
search_sku_suggestions                 open SKU               302    302    200    200    200    200    200
search_sku_suggestions                 hidden SKU             302    302    404    404    200    200    200
search_reindex                         -                      302    302    403    403    200    200    200
search_reindex_progress                reindex                302    302    403    403    200    200    200
search_reindex_verb                    reindex                302    302    403    403    405    405    405
search_space_verb                      former space           302    302    403    403    405    405    405
search_space_drop                      former space           302    302    403    403    403    403    200
search_side_by_side                    -                      302    302    403    403    200    200    200
search_evaluation                      -                      302    302    403    403    200    200    200
search_evaluation_run                  measured               302    302    403    403    200    200    200
search_judge                           query                  302    302    403    403    200    200    200
search_judgements_export               -                      302    302    403    403    200    200    200
search_judgements_import               -                      302    302    403    403    405    405    405
search_evaluationquery_changelist      -                      302    302    403    403    200    200    200
search_evaluationquery_add             -                      302    302    403    403    200    200    200
search_evaluationquery_history         query                  302    302    403    403    200    200    200
search_evaluationquery_delete          query                  302    302    403    403    200    200    200
search_evaluationquery_change          query                  302    302    403    403    200    200    200
search_space_changelist                -                      302    302    403    403    200    200    200
search_space_add                       -                      302    302    403    403    403    403    403
search_space_history                   space                  302    302    302    302    302    302    302
search_space_delete                    space                  302    302    403    403    403    403    403
search_space_change                    space                  302    302    403    403    302    302    302
search_synonym_changelist              -                      302    302    403    403    200    200    200
search_synonym_add                     -                      302    302    403    403    200    200    200
search_synonym_history                 synonym                302    302    403    403    200    200    200
search_synonym_delete                  synonym                302    302    403    403    200    200    200
search_synonym_change                  synonym                302    302    403    403    200    200    200
search_synonym_import                  -                      302    302    403    403    200    200    200
search_synonym_export                  -                      302    302    403    403    200    200    200
search_searches                        -                      302    302    403    403    200    200    200
search_searchlog_changelist            -                      302    302    403    403    403    403    200
search_searchlog_add                   -                      302    302    403    403    403    403    403
search_searchlog_history               logged search          302    302    403    403    403    403    200
search_searchlog_delete                logged search          302    302    403    403    403    403    403
search_searchlog_change                logged search          302    302    403    403    403    403    200
search_indexentry_changelist           -                      302    302    403    403    200    200    200
search_indexentry_add                  -                      302    302    403    403    403    403    403
search_indexentry_history              index entry            302    302    302    302    302    302    302
search_indexentry_delete               index entry            302    302    403    403    403    403    403
search_indexentry_change               index entry            302    302    403    403    302    302    302
generation_studio                      -                      302    302    403    403    200    200    200
generation_studio_find                 -                      302    302    403    403    404    404    404
generation_fill                        -                      302    302    403    403    400    400    400
generation_review                      -                      302    302    403    403    200    200    200
generation_review_verdict              -                      302    302    403    403    404    404    404
generation_made                        item                   302    302    403    403    200    200    200
generation_made                        the editor's try-on    302    302    403    403    404    404    404
generation_try_on                      -                      302    302    403    403    200    200    200
generation_try_on_picture              the editor's try-on    302    302    403    403    200    404    404
generation_try_on_result               the editor's try-on    302    302    403    403    200    404    404
generation_styleset_changelist         -                      302    302    403    403    200    200    200
generation_styleset_add                -                      302    302    403    403    200    200    200
generation_styleset_change             style                  302    302    403    403    200    200    200
generation_styleset_delete             style                  302    302    403    403    200    200    200
generation_styleset_history            style                  302    302    403    403    200    200    200
generation_combinationrule_changelist  -                      302    302    403    403    200    200    200
generation_combinationrule_add         -                      302    302    403    403    200    200    200
generation_combinationrule_change      combination            302    302    403    403    200    200    200
generation_combinationrule_delete      combination            302    302    403    403    200    200    200
generation_combinationrule_history     combination            302    302    403    403    200    200    200
generation_prompttemplate_changelist   -                      302    302    403    403    200    200    200
generation_prompttemplate_add          -                      302    302    403    403    200    200    200
generation_review_undo                 -                      302    302    403    403    404    404    404
generation_review_look                 item                   302    302    403    403    200    200    200
generation_costs                       -                      302    302    403    403    200    200    200
generation_providers                   -                      302    302    403    403    200    200    200
generation_prompttemplate_change       template               302    302    403    403    200    200    200
generation_prompttemplate_delete       template               302    302    403    403    403    403    403
generation_prompttemplate_history      template               302    302    403    403    200    200    200
generation_job_progress                job                    302    302    403    403    200    200    200
generation_job_verb                    job                    302    302    403    403    404    404    404
generation_generationjob_changelist    -                      302    302    403    403    200    200    200
generation_generationjob_add           -                      302    302    302    302    302    302    302
generation_generationjob_history       job                    302    302    403    403    200    200    200
generation_generationjob_delete        job                    302    302    403    403    403    403    403
generation_generationjob_change        job                    302    302    403    403    200    200    200
generation_deadletter_changelist       -                      302    302    403    403    200    200    200
generation_deadletter_add              -                      302    302    403    403    403    403    403
generation_deadletter_history          item                   302    302    302    302    302    302    302
generation_deadletter_delete           item                   302    302    403    403    403    403    403
generation_deadletter_change           item                   302    302    302    302    302    302    302
generation_spendingcap_changelist      -                      302    302    403    403    403    403    200
generation_spendingcap_add             -                      302    302    403    403    403    403    200
generation_spendingcap_history         cap                    302    302    403    403    403    403    200
generation_spendingcap_delete          cap                    302    302    403    403    403    403    200
generation_spendingcap_change          cap                    302    302    403    403    403    403    200
app_list                               auth                   302    302    404    404    404    404    200
app_list                               dam                    302    302    200    200    200    200    200
app_list                               search                 302    302    200    200    200    200    200
app_list                               generation             302    302    404    404    200    200    200
app_list                               authtoken              302    302    404    404    404    404    404
"""


# 302 leads to the login, back to the list (what is not there for one), or on after a deed; 302= changed nothing.
DEEDS = """
page                                   on what                nobody store  contr  owner  edit   revie  admin

dam_asset_add_version                  shown                  302    302    403    302    302    302    302
dam_asset_add_version                  hidden                 302    302    404    404    302    302    302
dam_asset_alt_suggestion               suggestion             302    302    403    302    302    302    302
dam_asset_alt_suggestion               suggestion on hidden   302    302    404    404    302    302    302
dam_asset_assign                       shown                  302    302    403    302    302    302    302
dam_asset_assign                       hidden                 302    302    404    404    302    302    302
dam_asset_change                       shown                  302    302    403    200=   200=   200=   200=
dam_asset_change                       hidden                 302    302    302=   302=   200=   200=   200=
dam_asset_changelist                   -, trash               302    302    302=   302=   200=   200=   200=
dam_asset_changelist                   -, trash all           302    302    302=   302=   302    302    302
dam_asset_changelist                   -, collect             302    302    200=   200=   302    302    302
dam_asset_changelist                   -, tag                 302    302    403    403    302    302    302
dam_asset_changelist                   -, link                302    302    302=   302=   302    302    302
dam_asset_changelist                   -, ask for tags        302    302    200=   200=   200=   200=   200=
dam_asset_changelist                   -, ask for a SKU       302    302    200=   200=   200=   200=   200=
dam_asset_changelist                   -, download            302    302    302=   302=   200=   200=   200=
dam_asset_comment                      shown                  302    302    302    302    302    302    302
dam_asset_comment                      hidden                 302    302    404    404    302    302    302
dam_asset_delete                       shown                  302    302    403    403    302    302    302
dam_asset_delete                       draft                  302    302    302=   302    302    302    302
dam_asset_delete                       hidden                 302    302    302=   302=   302    302    302
dam_asset_delete                       trashed                302    302    302=   302=   403    403    302
dam_asset_empty_trash                  -                      302    302    403    403    403    403    302
dam_tag_changelist                     -, merge               302    302    200=   200=   302    302    302
dam_customfield_delete                 season                 302    302    403    403    403    403    302
dam_asset_delete_search                own search             302    302    404    302    404    404    404
dam_asset_delete_search                shared search          302    302    403    403    302    403    302
dam_asset_remove_comment               owner's comment        302    302    403    302    403    403    302
dam_asset_remove_comment               comment on hidden      302    302    404    404    403    403    302
dam_asset_restore_version              revised                302    302    403    302    302    302    302
dam_asset_save_search                  -                      302    302    302=   302=   302    302    302
dam_asset_table                        -                      302    302    200=   200    200    200    200
dam_asset_take_from_file               shown                  302    302    403    302=   302=   302=   302=
dam_asset_take_from_file               hidden                 302    302    404    404    302=   302=   302=
dam_asset_upload                       -                      302    302    200    200    200    200    200
dam_asset_verb                         shown                  302    302    302=   302=   302    302    302
dam_asset_verb                         draft                  302    302    404    302    302    302    302
dam_asset_verb                         hidden                 302    302    404    404    302    302    302
dam_bulkedit_stop                      own edit               302    302    404    302    403    403    302
dam_bulkedit_stop                      their edit             302    302    404    404    403    403    302
dam_bulkedit_undo                      own edit, done         302    302    404    302    403    403    302
dam_bulkedit_undo                      their edit, done       302    302    404    404    403    403    302
dam_collection_change                  own collection         302    302    403    403    302    302    302
dam_collection_delete                  own collection         302    302    403    403    302    302    302
dam_collection_remove                  own collection         302    302    403    403    302    302    302
dam_collection_share                   own collection         302    302    403    302    302    302    302
dam_collection_share                   their collection       302    302    403    403    302    302    302
dam_collection_unshare                 own link               302    302    403    302    302    302    302
dam_collection_unshare                 their link             302    302    403    403    302    302    302
dam_duplicatepair_changelist           -, merge               302    302    403    403    302    302    302
dam_finish                             owner's task           302    302    404    302    302    302    302
dam_finish                             colleague's task       302    302    403    403    302    302    302
dam_import_verb                        own import             302    302    404    302    404    404    302
dam_import_verb                        their import           302    302    404    404    404    404    302
dam_read_news                          -                      302    302    302=   302    302=   302=   302=
dam_renditionpreset_delete             preset                 302    302    403    403    403    403    302
dam_sku_delete                         open SKU               302    302    403    403    302    302    302
dam_sku_sync                           -                      302    302    403    403    200    200    200
dam_tag_delete                         open tag               302    302    403    403    302    302    302
dam_apikey_add                         -                      302    302    403    403    403    403    200
dam_apikey_changelist                  -, revoke              302    302    403    403    403    403    302
dam_webhookendpoint_add                -                      302    302    403    403    403    403    200
dam_webhookendpoint_changelist         -, rotate              302    302    403    403    403    403    200
dam_webhookdelivery_changelist         -, again               302    302    403    403    403    403    302
generation_generationjob_changelist    -, pause               302    302    403    403    302    302    302
generation_job_verb                    job                    302    302    403    403    302    302    302
generation_spendingcap_add             -                      302    302    403    403    403    403    302
generation_spendingcap_change          cap                    302    302    403    403    403    403    302
generation_spendingcap_delete          cap                    302    302    403    403    403    403    302
generation_review_verdict              -                      302    302    403    403    302=   302    302
generation_review_undo                 -                      302    302    403    403    302=   302    302
generation_studio                      -                      302    302    403    403    200=   200=   200=
generation_made                        item                   302    302    403    403    302    302    302
generation_try_on                      the editor's try-on    302    302    403    403    302    200=   200=
generation_styleset_delete             style                  302    302    403    403    302    302    302
generation_combinationrule_delete      combination            302    302    403    403    302    302    302
generation_prompttemplate_add          -                      302    302    403    403    302    302    302
search_reindex                         -                      302    302    403    403    403    403    302=
search_reindex_verb                    reindex                302    302    403    403    403    403    302
search_space_verb                      former space           302    302    403    403    403    403    302=
search_space_drop                      former space           302    302    403    403    403    403    302
search_side_by_side                    -                      302    302    403    403    302    302    302
search_evaluation                      -                      302    302    403    403    302    302    302
search_judge                           query                  302    302    403    403    302    302    302
search_judgements_import               -                      302    302    403    403    302    302    302
search_evaluationquery_add             -                      302    302    403    403    302    302    302
search_evaluationquery_delete          query                  302    302    403    403    302    302    302
search_indexentry_changelist           -, again               302    302    403    403    302    302    302
search_synonym_add                     -                      302    302    403    403    302    302    302
search_synonym_change                  synonym                302    302    403    403    302    302    302
search_synonym_delete                  synonym                302    302    403    403    302    302    302
search_synonym_import                  -                      302    302    403    403    200    200    200
search_searches                        -                      302    302    403    403    302    302    302
search_sku_suggestions                 open SKU               302    302    403    403    302    302    302
search_sku_suggestions                 hidden SKU             302    302    404    404    302    302    302
auth_user_change                       editor                 302    302    403    403    403    403    200=
auth_user_delete                       editor                 302    302    403    403    403    403    302
"""

# Addresses of lists with what is asked of them; `{…}` is the key of a thing.
ASKED = (
    "/admin/autocomplete/?app_label=dam&model_name=asset&field_name=tags&term=",
    "/admin/autocomplete/?app_label=dam&model_name=assetsku&field_name=sku&term=",
    "/admin/autocomplete/?app_label=dam&model_name=renditionpreset&field_name=watermark_asset&term=",
    "/admin/search/?s=zq",
    "/admin/search/space/find/?q=sledge",
    "/admin/search/searchlog/report/?list=slow",
    "/admin/search/synonym/?q=zq",
    "/admin/dam/asset/?q=sledge",
    "/admin/dam/asset/?state=trashed",
    "/admin/dam/asset/?view=list",
    "/admin/dam/asset/?tags__id__exact={hidden tag}",
    "/admin/dam/asset/?skus__id__exact={hidden SKU}",
    "/admin/dam/asset/?collection={their collection}",
    "/admin/dam/asset/export/?as=csv",
    "/admin/dam/auditentry/?q=zq",
    "/admin/dam/tag/?q=zq",
    "/admin/dam/sku/?q=zq",
)


def names() -> dict[str, list[str]]:
    """The names of all addresses below the admin, with the parts that each takes."""
    (site,) = (
        entry
        for entry in get_resolver().url_patterns
        if isinstance(entry, URLResolver) and entry.namespace == "admin"
    )
    return {
        pattern.name: list(pattern.pattern.converters) or list(pattern.pattern.regex.groupindex)
        for pattern in _below(site)
        if pattern.name
    }


def _below(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            found += _below(entry)
        else:
            found.append(entry)
    return found


def address(world: World, name: str, what: str) -> str:
    """Where a page about this thing lies."""
    thing = world.assets.get(what) or world.things.get(what) or world.people.get(what)
    takes = names()[name]
    fixed: dict[str, Any] = {
        "ending": "csv", "verb": VERBS.get(what, "start"), "name": "review", "app_label": what, "number": 1,
        "content_type_id": 1, "key": getattr(thing, "pk", None), "object_id": getattr(thing, "pk", None),
        "id": getattr(thing, "pk", None), "public_id": getattr(thing, "public_id", None), "verdict": "accept",
        "item": getattr(thing, "public_id", None),
    }  # fmt: skip
    if what in NUMBERED:
        holder, numbered = NUMBERED[what]
        fixed |= {
            "key": (world.assets.get(holder) or world.things[holder]).pk,
            "number": world.things[numbered].pk,
        }
    if isinstance(thing, TryOn):
        fixed |= {"photo": thing.photo.public_id, "item": thing.item.public_id}
    if name == "dam_asset_restore_version":
        fixed["number"] = 2
    if name == "dam_finish":
        fixed["number"] = thing.pk
    return reverse(f"admin:{name}", kwargs={part: fixed[part] for part in takes})


# What is done to it in the table of deeds.
VERBS = {"job": "pause", "reindex": "resume", "former space": "catch_up"}

# What lies below something else: that, and the thing itself.
NUMBERED = {
    "owner's comment": ("shown", "owner's comment"),
    "comment on hidden": ("hidden", "comment on hidden"),
    "suggestion": ("shown", "suggestion"),
    "suggestion on hidden": ("hidden", "suggestion on hidden"),
    "own link": ("own collection", "own link"),
    "their link": ("their collection", "their link"),
}


def asked(world: World) -> list[str]:
    """The addresses of ASKED."""
    return [where.format(**{name: thing.pk for name, thing in world.things.items()}) for where in ASKED]


def sent(world: World, row: Row) -> dict[str, Any]:
    """What a deed's form carries."""
    make = _SENT.get((row.path, row.what)) or _SENT.get(row.path) or (lambda world: {"post": "yes"})
    return make(world)


def _chosen(action: str, *things: Any, **more: Any) -> dict[str, Any]:
    return {"action": action, "_selected_action": [thing.pk for thing in things], **more}


def _file(seed: int) -> SimpleUploadedFile:
    return SimpleUploadedFile("sent.jpg", picture(seed=seed), "image/jpeg")


def _table(*lines: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("table.csv", "\n".join(lines).encode(), "text/csv")


_SENT: dict[str | tuple[str, str], Callable[[World], dict[str, Any]]] = {
    "dam_asset_add_version": lambda world: {"file": _file(92)},
    "dam_asset_assign": lambda world: {"assignee": world.people["editor"].pk, "task": "Look at it"},
    "dam_asset_change": lambda world: {"title": "Changed"},
    ("dam_asset_changelist", "-, trash"): lambda world: _chosen(
        "trash", world.assets["shown"], world.assets["hidden"]
    ),
    ("dam_asset_changelist", "-, trash all"): lambda world: _chosen(
        "trash", world.assets["shown"], world.assets["hidden"], confirmed="1"
    ),
    ("dam_asset_changelist", "-, collect"): lambda world: _chosen(
        "add_to_collection",
        world.assets["foreign"],
        confirmed="yes",
        collection=world.things["their collection"].pk,
    ),
    ("dam_asset_changelist", "-, tag"): lambda world: _chosen(
        "add_tags", world.assets["foreign"], confirmed="yes", tags="new"
    ),
    ("dam_asset_changelist", "-, link"): lambda world: _chosen(
        "link_sku", world.assets["foreign"], confirmed="yes", sku=world.things["open SKU"].code, role="detail"
    ),
    ("dam_asset_changelist", "-, ask for tags"): lambda world: _chosen("add_tags", world.assets["foreign"]),
    ("dam_asset_changelist", "-, ask for a SKU"): lambda world: _chosen("link_sku", world.assets["foreign"]),
    ("dam_asset_changelist", "-, download"): lambda world: _chosen("download", world.assets["hidden"]),
    "dam_asset_comment": lambda world: {"text": "Well."},
    "dam_asset_save_search": lambda world: {"name": "New", "query": "kind=prop", "shared": "on"},
    "dam_asset_table": lambda world: {
        "table": _table(
            "id,title",
            f"{world.assets['draft'].public_id},Changed",
            f"{world.assets['hidden'].public_id},Changed",
        ),
        "do": "update",
    },
    "dam_asset_upload": lambda world: {"pictures": [_file(93)], "kind": "other", "state": "draft"},
    "dam_collection_change": lambda world: {"name": "Changed"},
    "dam_collection_remove": lambda world: {"assets": [str(world.assets["shown"].public_id)]},
    "dam_collection_share": lambda world: {"until": timezone.localdate() + timedelta(days=1)},
    "dam_duplicatepair_changelist": lambda world: _chosen("keep_older", world.things["pair"]),
    "dam_read_news": lambda world: {"notice": [notice.pk for notice in world.people["owner"].notices.all()]},
    "dam_sku_sync": lambda world: {"table": _table("code,name", "NEW-3,New"), "do": "sync"},
    ("dam_tag_changelist", "-, merge"): lambda world: _chosen(
        "merge_tags",
        world.things["open tag"],
        world.things["hidden tag"],
        kept=world.things["open tag"].pk,
        confirmed="1",
    ),
    "dam_apikey_add": lambda world: {
        "name": "New", "owner": world.people["editor"].pk, "scopes": ["contribute"]
    },
    "dam_apikey_changelist": lambda world: _chosen("revoke", world.things["key"]),
    "dam_webhookendpoint_add": lambda world: {
        "name": "New", "url": "https://hooks.example.com/new", "events": ["asset.approved"]
    },
    "dam_webhookendpoint_changelist": lambda world: _chosen("rotate_secret", world.things["hook"]),
    "dam_webhookdelivery_changelist": lambda world: _chosen("send_again", world.things["delivery"]),
    "generation_generationjob_changelist": lambda world: _chosen("pause_chosen", world.things["job"]),
    "generation_spendingcap_add": lambda world: {
        "user": world.people["editor"].pk, "amount": "5", "currency": "USD"
    },
    "generation_spendingcap_change": lambda world: {
        "user": world.things["cap"].user_id, "amount": "6", "currency": "USD"
    },
    "generation_review_verdict": lambda world: {
        "verdict": "approve", "items": [str(world.things["item"].public_id)]
    },
    "generation_review_undo": lambda world: {"deed": str(world.things["verdict"].deed)},
    "generation_try_on": lambda world: {
        "do": "delete", "photo": str(world.things["the editor's try-on"].photo.public_id)
    },
    "generation_prompttemplate_add": lambda world: {
        "key": "new", "kind": "outfits", "name": "New", "text": "{pictures}", "text_zh": "{pictures}",
        "slots": "[]",
    },
    "search_reindex": lambda world: {"encoder": "nonsense"},
    "search_side_by_side": lambda world: {
        "q": "Lantern", "preferred": "same", "left": world.things["live space"].pk,
        "right": world.things["reindex"].space_id,
    },
    "search_judge": lambda world: {"judgement": f"{world.assets['shown'].public_id}:2"},
    "search_judgements_import": lambda world: {
        "table": _table("asset,relevance,query,language", f"{world.assets['shown'].public_id},1,Lamp,en")
    },
    "search_evaluationquery_add": lambda world: {"text": "Lamp", "language": "en"},
    "search_indexentry_changelist": lambda world: _chosen("index_again", IndexEntry.objects.first()),
    "search_synonym_add": lambda world: {"words": "coat, jacket", "words_zh": ""},
    "search_synonym_change": lambda world: {"words": "changed, other", "words_zh": ""},
    "search_synonym_import": lambda world: {"table": _table("en,zh", "hat|cap,")},
    "search_sku_suggestions": lambda world: {
        "role": "detail", "assets": [str(world.assets["foreign"].public_id)]
    },
}  # fmt: skip
