"""The permission matrix of the REST API: every operation, on what, and what each role is answered.

To add an operation: a row in MATRIX; where it takes something, that in `sent`; where it is about something
new, the parts of its address in `places`.
"""

# ruff: noqa: E501  a row of a table is a line
from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from dam.models import BulkEdit, Import, ImportState
from search import query_log
from tests.permissions.world import PEOPLE, World, finish_edit, spool
from tests.pictures import picture

PREFIX = "/api/v1"
EVEN_IF_USED = ", even if used"

# 200 …   so it is answered; a write has changed something
# 200=    so it is answered, and nothing has changed (as after every 4xx)
# !       at the end of a row: what editors are answered holds what others may not know, so that the rest
#         of the row says something about those others
MATRIX = """
method path                                            on what                        nobody store contr owner edit  revie admin

GET    /assets/                                        -                              200    200   200   200   200   200   200  !
POST   /assets/                                        a new file                     401    403   201   201   201   201   201
POST   /assets/                                        the file of hidden             401    403   409=  409=  200=  200=  200=
GET    /assets/{public_id}/                            shown                          200    200   200   200   200   200   200
GET    /assets/{public_id}/                            foreign                        200    200   200   200   200   200   200
GET    /assets/{public_id}/                            draft                          404    404   404   200   200   200   200
GET    /assets/{public_id}/                            hidden                         404    404   404   404   200   200   200  !
GET    /assets/{public_id}/                            expired                        404    404   404   404   200   200   200  !
GET    /assets/{public_id}/                            trashed                        404    404   404   404   404   404   404
PATCH  /assets/{public_id}/                            shown                          401    403   403   200   200   200   200
PATCH  /assets/{public_id}/                            draft                          401    403   404   200   200   200   200
PATCH  /assets/{public_id}/                            hidden                         401    403   404   404   200   200   200
PATCH  /assets/{public_id}/                            trashed                        401    403   404   404   404   404   404
PATCH  /assets/{public_id}/                            draft, to be approved          401    403   404   400   400   200   200
DELETE /assets/{public_id}/                            shown                          401    403   403   403   409=  409=  409=
DELETE /assets/{public_id}/                            shown, even if used            401    403   403   403   200   200   200
DELETE /assets/{public_id}/                            draft                          401    403   404   409=  409=  409=  409=
DELETE /assets/{public_id}/                            draft, even if used            401    403   404   200   200   200   200
DELETE /assets/{public_id}/                            hidden                         401    403   404   404   409=  409=  409=
DELETE /assets/{public_id}/                            hidden, even if used           401    403   404   404   200   200   200
DELETE /assets/{public_id}/                            revised                        401    403   403   403   204   204   204
GET    /assets/{public_id}/comments/                   shown                          401    403   200   200   200   200   200
GET    /assets/{public_id}/comments/                   hidden                         401    403   404   404   200   200   200  !
POST   /assets/{public_id}/comments/                   shown                          401    403   201   201   201   201   201
POST   /assets/{public_id}/comments/                   draft                          401    403   404   201   201   201   201
DELETE /assets/{public_id}/comments/{number}/          owner's comment                401    403   403   204   403   403   204
DELETE /assets/{public_id}/comments/{number}/          comment on hidden              401    403   404   404   403   403   204
GET    /assets/{public_id}/alt-texts/                  shown                          401    403   200   200   200   200   200
GET    /assets/{public_id}/alt-texts/                  hidden                         401    403   404   404   200   200   200  !
POST   /assets/{public_id}/alt-texts/{number}/accept/  suggestion                     401    403   403   200   200   200   200
POST   /assets/{public_id}/alt-texts/{number}/accept/  suggestion on hidden           401    403   404   404   200   200   200
POST   /assets/{public_id}/alt-texts/{number}/dismiss/ suggestion                     401    403   403   204   204   204   204
POST   /assets/{public_id}/alt-texts/{number}/dismiss/ suggestion on hidden           401    403   404   404   204   204   204
GET    /assets/{public_id}/duplicates/                 shown                          200    200   200   200   200   200   200  !
GET    /assets/{public_id}/duplicates/                 hidden                         404    404   404   404   200   200   200
POST   /assets/{public_id}/links/                      shown                          401    403   403   201   201   201   201
POST   /assets/{public_id}/links/                      draft                          401    403   404   201   201   201   201
POST   /assets/{public_id}/links/                      hidden                         401    403   404   404   201   201   201
POST   /assets/{public_id}/merge/                      shown, with foreign            401    403   403   403   200   200   200
POST   /assets/{public_id}/merge/                      draft, with hidden             401    403   403   403   200   200   200
POST   /assets/{public_id}/restore/                    trashed                        401    403   404   404   200   200   200
POST   /assets/{public_id}/restore/                    shown                          401    403   403   200=  200=  200=  200=
GET    /assets/{public_id}/metadata/                   shown                          200    200   200   200   200   200   200
GET    /assets/{public_id}/metadata/                   draft                          404    404   404   200   200   200   200
POST   /assets/{public_id}/metadata/                   shown                          401    403   403   200=  200=  200=  200=
POST   /assets/{public_id}/metadata/                   draft                          401    403   404   200=  200=  200=  200=
GET    /assets/{public_id}/usage/                      shown                          401    403   200   200   200   200   200  !
GET    /assets/{public_id}/usage/                      hidden                         401    403   404   404   200   200   200  !
GET    /assets/{public_id}/lineage/                    made                           401    403   200   200   200   200   200  !
GET    /assets/{public_id}/lineage/                    hidden                         401    403   404   404   200   200   200
GET    /assets/{public_id}/provenance/                 made                           401    403   200   200   200   200   200  !
GET    /assets/{public_id}/provenance/                 hidden                         401    403   404   404   200   200   200
GET    /assets/{public_id}/renditions/{preset}/        shown                          302    302   302   302   302   302   302
GET    /assets/{public_id}/renditions/{preset}/        draft                          404    404   404   302   302   302   302
GET    /assets/{public_id}/renditions/{preset}/        shown, for the press           404    404   404   302   302   302   302
GET    /assets/{public_id}/renditions/{preset}/        shown, in a preset of no name  404    404   404   404   404   404   404
GET    /assets/{public_id}/sidecar.xmp                 shown                          200    200   200   200   200   200   200
GET    /assets/{public_id}/sidecar.xmp                 hidden                         404    404   404   404   200   200   200  !
GET    /assets/{public_id}/sidecar.xmp                 trashed                        404    404   404   404   200   200   200  !
GET    /assets/{public_id}/similar/                    shown                          200    200   200   200   200   200   200  !
GET    /assets/{public_id}/similar/                    hidden                         404    404   404   404   200   200   200
GET    /assets/{public_id}/versions/                   revised                        200    200   200   200   200   200   200
GET    /assets/{public_id}/versions/                   hidden                         404    404   404   404   200   200   200  !
GET    /assets/{public_id}/versions/compare/           revised                        401    403   403   200   200   200   200
GET    /assets/{public_id}/versions/compare/           hidden                         401    403   404   404   404   404   404
POST   /assets/{public_id}/versions/                   shown                          401    403   403   201   201   201   201
POST   /assets/{public_id}/versions/                   draft                          401    403   404   201   201   201   201
POST   /assets/{public_id}/versions/                   draft, the file of hidden      401    403   404   422   422   422   422  !
POST   /assets/{public_id}/versions/{number}/restore/  revised                        401    403   403   200   200   200   200
GET    /assets/export/                                 -                              200    200   200   200   200   200   200  !
GET    /assets/facets/                                 -                              200    200   200   200   200   200   200
POST   /assets/update-metadata/                        draft and hidden               401    403   200=  200   200   200   200

GET    /assignments/                                   -                              401    200   200   200   200   200   200  !
POST   /assignments/                                   shown                          401    403   403   201   201   201   201
POST   /assignments/                                   draft                          401    403   400   201   201   201   201
GET    /assignments/{id}/                              owner's task                   401    404   404   200   200   200   200
GET    /assignments/{id}/                              colleague's task               401    404   404   404   200   200   200  !
POST   /assignments/{id}/done/                         owner's task                   401    404   404   200   200   200   200
POST   /assignments/{id}/done/                         colleague's task               401    404   404   404   200   200   200

GET    /audit/                                         -                              401    403   403   403   403   403   200
GET    /audit/{id}/                                    entry                          401    403   403   403   403   403   200
GET    /audit/export/                                  -                              401    403   403   403   403   403   200

GET    /bulk-edits/                                    -                              401    200   200   200   200   200   200  !
POST   /bulk-edits/                                    draft                          401    403   400   202   202   202   202
POST   /bulk-edits/                                    hidden                         401    403   400   400   202   202   202
GET    /bulk-edits/{id}/                               own edit                       401    404   404   200   200   200   200
GET    /bulk-edits/{id}/                               their edit                     401    404   404   404   200   200   200  !
POST   /bulk-edits/{id}/stop/                          own edit                       401    404   404   200   403   403   200
POST   /bulk-edits/{id}/stop/                          their edit                     401    404   404   404   403   403   200
POST   /bulk-edits/{id}/undo/                          own edit, done                 401    404   404   200   403   403   200
POST   /bulk-edits/{id}/undo/                          their edit, done               401    404   404   404   403   403   200

GET    /collections/                                   -                              401    200   200   200   200   200   200  !
POST   /collections/                                   -                              401    403   201   201   201   201   201
GET    /collections/{id}/                              own collection                 401    404   404   200   200   200   200
GET    /collections/{id}/                              their collection               401    404   404   404   200   200   200  !
PATCH  /collections/{id}/                              own collection                 401    403   404   200   200   200   200
PATCH  /collections/{id}/                              their collection               401    403   404   404   200   200   200
DELETE /collections/{id}/                              own collection                 401    403   404   409=  409=  409=  409=
DELETE /collections/{id}/                              own collection, even if used   401    403   404   204   204   204   204
DELETE /collections/{id}/                              their collection               401    403   404   404   409=  409=  409=
DELETE /collections/{id}/                              their collection, even if used 401    403   404   404   204   204   204
GET    /collections/{id}/items/                        own collection                 401    404   404   200   200   200   200  !
GET    /collections/{id}/items/                        their collection               401    404   404   404   200   200   200  !
POST   /collections/{id}/items/                        own collection, foreign        401    403   404   200   200   200   200
POST   /collections/{id}/items/                        own collection, expired        401    403   404   400   200   200   200
POST   /collections/{id}/items/                        their collection, foreign      401    403   404   404   200   200   200
POST   /collections/{id}/items/order/                  own collection                 401    403   404   204   204   204   204
POST   /collections/{id}/items/order/                  own collection, hidden         401    403   404   400   204   204   204
POST   /collections/{id}/items/order/                  own collection, foreign        401    403   404   400   400   400   400
POST   /collections/{id}/items/order/                  their collection, hidden       401    403   404   404   204   204   204
DELETE /collections/{id}/items/{public_id}/            own collection                 401    403   404   204   204   204   204
DELETE /collections/{id}/items/{public_id}/            their collection               401    403   404   404   204   204   204
GET    /collections/{id}/links/                        own collection                 401    404   404   200   200   200   200
GET    /collections/{id}/links/                        their collection               401    404   404   404   200   200   200  !
POST   /collections/{id}/links/                        own collection                 401    403   404   201   201   201   201
POST   /collections/{id}/links/                        their collection               401    403   404   404   201   201   201
DELETE /collections/{id}/links/{number}/               own collection                 401    403   404   204   204   204   204
DELETE /collections/{id}/links/{number}/               their collection               401    403   404   404   204   204   204

GET    /custom-fields/                                 -                              401    200   200   200   200   200   200
POST   /custom-fields/                                 -                              401    403   403   403   403   403   201
GET    /custom-fields/{slug}/                          season                         401    200   200   200   200   200   200
GET    /custom-fields/{slug}/                          retired field                  401    404   404   404   200   200   200
GET    /custom-fields/{slug}/                          cost                           401    404   200   200   200   200   200
PATCH  /custom-fields/{slug}/                          season                         401    403   403   403   403   403   200
DELETE /custom-fields/{slug}/                          season                         401    403   403   403   403   403   204

GET    /field-rules/                                   -                              401    200   200   200   200   200   200
POST   /field-rules/                                   -                              401    403   403   403   403   403   201
GET    /field-rules/{id}/                              rule                           401    200   200   200   200   200   200
PATCH  /field-rules/{id}/                              rule                           401    403   403   403   403   403   200
DELETE /field-rules/{id}/                              rule                           401    403   403   403   403   403   204

GET    /duplicates/                                    -                              401    403   403   403   200   200   200  !
POST   /duplicates/{id}/different/                     pair                           401    403   403   403   204   204   204

GET    /generation/dead-letters/                       -                              401    403   403   403   200   200   200
GET    /generation/dead-letters/counts/                -                              401    403   403   403   200   200   200
POST   /generation/dead-letters/run-again/             -                              401    403   403   403   200   200   200
GET    /generation/items/{public_id}/                  item                           401    403   403   403   200   200   200  !
POST   /generation/items/{public_id}/approve/          item                           401    403   403   403   403   200   200
POST   /generation/items/{public_id}/reject/           item                           401    403   403   403   403   200   200
POST   /generation/items/{public_id}/regenerate/       item, in review                401    403   403   403   403   201   201
GET    /generation/items/{public_id}/history/          blocked                         401    403   403   403   200   200   200  !
POST   /generation/items/verdicts/                     -                              401    403   403   403   200=  200   200
POST   /generation/items/undo/                         -                              401    403   403   403   403   200   200
GET    /generation/costs/                              -                              401    403   403   403   200   200   200  !
GET    /generation/jobs/                               -                              401    403   403   403   200   200   200  !
POST   /generation/jobs/                               -                              401    403   403   403   201   201   201
GET    /generation/jobs/{public_id}/                   job                            401    403   403   403   200   200   200  !
GET    /generation/jobs/{public_id}/progress/          job                            401    403   403   403   200   200   200
GET    /generation/jobs/{public_id}/items/             job                            401    403   403   403   200   200   200  !
POST   /generation/jobs/{public_id}/pause/             job                            401    403   403   403   200   200   200
POST   /generation/jobs/{public_id}/resume/            job, paused                    401    403   403   403   200   200   200
POST   /generation/jobs/{public_id}/cancel/            job                            401    403   403   403   200   200   200
POST   /generation/jobs/{public_id}/retry/             job, failed                    401    403   403   403   200   200   200
POST   /generation/jobs/{public_id}/retry/             job, failed, a new budget      401    403   403   403   200   409=  200
POST   /generation/jobs/{public_id}/prioritise/        job                            401    403   403   403   200   200   200
POST   /generation/items/{public_id}/make-again/       item                           401    403   403   403   201   201   201
POST   /generation/selections/                         -                              401    403   403   403   200=  200=  200=
GET    /generation/templates/                          -                              401    403   403   403   200   200   200
POST   /generation/templates/                          -                              401    403   403   403   201   201   201
POST   /generation/templates/preview/                  -                              401    403   403   403   200=  200=  200=
GET    /generation/styles/                             -                              401    403   403   403   200   200   200
POST   /generation/styles/                             -                              401    403   403   403   201   201   201
GET    /generation/styles/{slug}/                      style                          401    403   403   403   200   200   200
PATCH  /generation/styles/{slug}/                      style                          401    403   403   403   200   200   200
DELETE /generation/styles/{slug}/                      style                          401    403   403   403   204   204   204
GET    /generation/rules/                              -                              401    403   403   403   200   200   200
POST   /generation/rules/                              -                              401    403   403   403   201   201   201
GET    /generation/rules/{id}/                         combination                    401    403   403   403   200   200   200
PATCH  /generation/rules/{id}/                         combination                    401    403   403   403   200   200   200
DELETE /generation/rules/{id}/                         combination                    401    403   403   403   204   204   204
GET    /generation/try-ons/                            -                              401    403   403   403   200   200   200
POST   /generation/try-ons/                            -                              401    403   403   403   201   201   201
GET    /generation/try-ons/consent/                    -                              401    403   403   403   200   200   200
DELETE /generation/try-ons/{public_id}/                the editor's try-on            401    403   403   403   204   404   404
GET    /generation/try-ons/{public_id}/picture/        the editor's try-on            401    403   403   403   200   404   404
GET    /generation/try-ons/{public_id}/results/        the editor's try-on            401    403   403   403   200   404   404
GET    /generation/try-ons/{public_id}/results/{item}/ the editor's try-on            401    403   403   403   200   404   404
POST   /generation/try-ons/{public_id}/run/            the editor's try-on            401    403   403   403   201   404   404
POST   /generation/plans/                              -                              401    403   403   403   200=  200=  200=
POST   /generation/plans/fill/                         -                              401    403   403   403   200=  200=  200= !

GET    /imports/                                       -                              401    403   200   200   200   200   200
POST   /imports/                                       the owner's archive            401    403   400   201   400   400   400
POST   /imports/                                       a folder of the server         401    403   403   403   403   403   201
GET    /imports/{public_id}/                           own import                     401    403   404   200   404   404   200
GET    /imports/{public_id}/                           their import                   401    403   404   404   404   404   200
GET    /imports/{public_id}/errors.{ending}            own import                     401    403   404   200   404   404   200
GET    /imports/{public_id}/errors.{ending}            their import                   401    403   404   404   404   404   200
GET    /imports/{public_id}/rows/                      own import                     401    403   404   200   404   404   200
GET    /imports/{public_id}/rows/                      their import                   401    403   404   404   404   404   200
POST   /imports/{public_id}/start/                     own import                     401    403   404   200   404   404   200
POST   /imports/{public_id}/start/                     their import                   401    403   404   404   404   404   200
POST   /imports/{public_id}/stop/                      own import, running            401    403   404   200   404   404   200
POST   /imports/{public_id}/stop/                      their import, running          401    403   404   404   404   404   200
POST   /imports/{public_id}/resume/                    own import, stopped            401    403   404   200   404   404   200
POST   /imports/{public_id}/resume/                    their import, stopped          401    403   404   404   404   404   200

GET    /notices/                                       -                              401    200   200   200   200   200   200
POST   /notices/read/                                  the owner's notices            401    200=  200=  200   200=  200=  200=

GET    /provenance/                                    the file of shown              200    200   200   200   200   200   200
GET    /provenance/                                    the file of hidden             200    200   200   200   200   200   200  !
POST   /provenance/                                    the file of shown              200=   200=  200=  200=  200=  200=  200=
POST   /provenance/                                    the file of hidden             200=   200=  200=  200=  200=  200=  200= !
POST   /provenance/                                    no file                        400    400   400   400   400   400   400
GET    /provenance/{public_id}/                        shown                          200    200   200   200   200   200   200
GET    /provenance/{public_id}/                        made                           200    200   200   200   200   200   200
GET    /provenance/{public_id}/                        draft                          404    404   404   200   200   200   200
GET    /provenance/{public_id}/                        hidden                         404    404   404   404   200   200   200

GET    /rendition-presets/                             -                              401    403   403   403   200   200   200
POST   /rendition-presets/                             -                              401    403   403   403   403   403   201
GET    /rendition-presets/{slug}/                      preset                         401    403   403   403   200   200   200
PATCH  /rendition-presets/{slug}/                      preset                         401    403   403   403   403   403   200
DELETE /rendition-presets/{slug}/                      preset                         401    403   403   403   403   403   204

GET    /saved-searches/                                -                              401    403   200   200   200   200   200
POST   /saved-searches/                                for oneself                    401    403   201   201   201   201   201
POST   /saved-searches/                                for everybody                  401    403   400   400   201   201   201
GET    /saved-searches/{id}/                           own search                     401    403   404   200   404   404   404
GET    /saved-searches/{id}/                           their search                   401    403   404   404   404   404   404
GET    /saved-searches/{id}/                           shared search                  401    403   200   200   200   200   200
DELETE /saved-searches/{id}/                           own search                     401    403   404   204   404   404   404
DELETE /saved-searches/{id}/                           their search                   401    403   404   404   404   404   404
DELETE /saved-searches/{id}/                           shared search                  401    403   403   403   204   403   204

GET    /search/spend/                                  -                              401    403   403   403   200   200   200
GET    /search/suggestions/                            words of hidden                200    200   200   200   200   200   200  !
POST   /search/clicks/                                 shown                          204    204   204   204   204   204   204
POST   /search/clicks/                                 hidden                         400    400   400   400   204   204   204
GET    /search/                                        words of hidden                200    200   200   200   200   200   200  !
GET    /search/                                        the newest                     200    200   200   200   200   200   200  !
GET    /search/                                        the hidden tag                 200    200   200   200   200   200   200  !
GET    /search/                                        the hidden SKU                 200    200   200   200   200   200   200  !
POST   /search/                                        like shown                     200=   200=  200=  200=  200=  200=  200= !
POST   /search/                                        like draft                     400    400   400   200=  200=  200=  200=
POST   /search/                                        like hidden                    400    400   400   400   200=  200=  200=

GET    /skus/                                          -                              200    200   200   200   200   200   200  !
POST   /skus/                                          -                              401    403   403   403   201   201   201
GET    /skus/{code}/                                   open SKU                       200    200   200   200   200   200   200  !
GET    /skus/{code}/                                   hidden SKU                     404    404   404   404   200   200   200  !
PATCH  /skus/{code}/                                   open SKU                       401    403   403   403   200   200   200
PATCH  /skus/{code}/                                   hidden SKU                     401    403   403   403   200   200   200
DELETE /skus/{code}/                                   open SKU                       401    403   403   403   409=  409=  409=
DELETE /skus/{code}/                                   open SKU, even if used         401    403   403   403   204   204   204
DELETE /skus/{code}/                                   hidden SKU                     401    403   403   403   409=  409=  409=
DELETE /skus/{code}/                                   hidden SKU, even if used       401    403   403   403   204   204   204
GET    /skus/{code}/assets/                            open SKU                       200    200   200   200   200   200   200  !
GET    /skus/{code}/assets/                            hidden SKU                     404    404   404   404   200   200   200  !
GET    /skus/{code}/suggestions/                       open SKU                       200    200   200   200   200   200   200  !
GET    /skus/{code}/suggestions/                       hidden SKU                     404    404   404   404   200   200   200
POST   /skus/{code}/suggestions/                       open SKU, draft                401    403   400   200   200   200   200
POST   /skus/{code}/suggestions/                       open SKU, foreign              401    403   403   403   200   200   200
POST   /skus/{code}/suggestions/                       hidden SKU, draft              401    403   404   404   200   200   200
GET    /skus/coverage/                                 -                              401    403   403   403   200   200   200  !
GET    /skus/export/                                   -                              401    403   403   403   200   200   200  !
POST   /skus/sync/                                     -                              401    403   403   403   200   200   200

GET    /tags/                                          -                              200    200   200   200   200   200   200  !
POST   /tags/                                          -                              401    403   403   403   201   201   201
GET    /tags/{slug}/                                   open tag                       200    200   200   200   200   200   200  !
GET    /tags/{slug}/                                   hidden tag                     404    404   404   404   200   200   200  !
PATCH  /tags/{slug}/                                   open tag                       401    403   403   403   200   200   200
PATCH  /tags/{slug}/                                   hidden tag                     401    403   403   403   200   200   200
POST   /tags/{slug}/merge/                             open tag                       401    403   403   403   200   200   200
POST   /tags/{slug}/merge/                             hidden tag                     401    403   403   403   200   200   200
DELETE /tags/{slug}/                                   open tag                       401    403   403   403   409=  409=  409=
DELETE /tags/{slug}/                                   open tag, even if used         401    403   403   403   204   204   204
DELETE /tags/{slug}/                                   hidden tag                     401    403   403   403   409=  409=  409=
DELETE /tags/{slug}/                                   hidden tag, even if used       401    403   403   403   204   204   204

GET    /trash/                                         -                              401    403   200   200   200   200   200  !
POST   /trash/empty/                                   -                              401    403   403   403   403   403   200
GET    /trash/{public_id}/                             trashed                        401    403   404   404   200   200   200  !
DELETE /trash/{public_id}/                             trashed                        401    403   404   404   403   403   204
DELETE /trash/{public_id}/                             shown                          401    403   404   404   404   404   404
POST   /trash/{public_id}/restore/                     trashed                        401    403   404   404   200   200   200

GET    /uploads/                                       -                              401    403   200   200   200   200   200
POST   /uploads/                                       a new file                     401    403   201   201   201   201   201
POST   /uploads/                                       into their collection          401    403   400   400   201   201   201
GET    /uploads/{public_id}/                           own upload                     401    403   404   200   404   404   404
GET    /uploads/{public_id}/                           their upload                   401    403   404   404   404   404   404
HEAD   /uploads/{public_id}/                           own upload                     401    403   404   200   404   404   404
PATCH  /uploads/{public_id}/                           own upload                     401    403   404   204   404   404   404
PATCH  /uploads/{public_id}/                           their upload                   401    403   404   404   404   404   404
DELETE /uploads/{public_id}/                           own upload                     401    403   404   204   404   404   404
DELETE /uploads/{public_id}/                           their upload                   401    403   404   404   404   404   404

GET    /webhooks/                                      -                              401    403   403   403   403   403   200
POST   /webhooks/                                      -                              401    403   403   403   403   403   201
GET    /webhooks/{id}/                                 hook                           401    403   403   403   403   403   200
PATCH  /webhooks/{id}/                                 hook                           401    403   403   403   403   403   200
DELETE /webhooks/{id}/                                 hook                           401    403   403   403   403   403   204
GET    /webhooks/{id}/deliveries/                      hook                           401    403   403   403   403   403   200
POST   /webhooks/{id}/deliveries/{number}/replay/      hook                           401    403   403   403   403   403   202
POST   /webhooks/{id}/rotate-secret/                   hook                           401    403   403   403   403   403   200
POST   /webhooks/{id}/test/                            hook                           401    403   403   403   403   403   202
"""


# What is asked by POST; everything else that is not GET takes more than reading.
ASKING = ("POST /search/", "POST /search/clicks/", "POST /provenance/")


@dataclass(frozen=True)
class Row:
    """One operation on one thing, and what each person is answered."""

    method: str
    path: str
    what: str
    answers: dict[str, str]
    tells_editors: bool

    @property
    def thing(self) -> str:
        """What the address names; after a comma comes what is done with it."""
        return self.what.partition(",")[0]

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + ("" if self.what == "-" else f" ({self.what})")


def answered_by_key(row: Row, name: str) -> str:
    """What a program is answered that shows one of `World.keys`: what its owner is, or less."""
    answers, reads = row.answers, row.method in ("GET", "HEAD") or f"{row.method} {row.path}" in ASKING
    if name == "storefront":  # of the administrator, and yet it sees what nobody in particular sees
        return answers["nobody"].replace("401", "403") if reads else "403"
    if name == "read":  # of the administrator, as one of the editors
        by_role = (answers["editor"], answers["administrator"])
        return max(by_role, key=lambda answer: answer.rstrip("=")) if reads else "403"
    return answers["owner"]  # everything that the owner may


def rows(table: str, method: str = "") -> list[Row]:
    """The rows of a table whose heading says where each column begins; `method` where it has no column."""
    heading, *lines = [line for line in table.splitlines() if line]
    first = heading.index("path") if "path" in heading else 0
    second, answers = heading.index("on what"), heading.index("nobody")
    found = []
    for line in lines:
        told = line[answers:].split()
        found.append(
            Row(
                line[:first].strip() or method,
                line[first:second].strip(),
                line[second:answers].strip(),
                dict(zip(PEOPLE, told[: len(PEOPLE)], strict=True)),
                told[len(PEOPLE) :] == ["!"],
            )
        )
    return found


def places(world: World) -> dict[str, dict[str, Any]]:
    """The parts of the address by what it is about."""
    assets, things = world.assets, world.things
    found: dict[str, dict[str, Any]] = {
        name: {"public_id": asset.public_id, "preset": "web", "number": 2} for name, asset in assets.items()
    }
    for name, asset in (
        ("owner's comment", "shown"),
        ("comment on hidden", "hidden"),
        ("suggestion", "shown"),
        ("suggestion on hidden", "hidden"),
    ):
        found[name] = {"public_id": assets[asset].public_id, "number": things[name].pk}
    for name in ("owner's task", "colleague's task", "entry", "own edit", "their edit", "own search",
                 "their search", "shared search", "pair", "rule", "combination"):  # fmt: skip
        found[name] = {"id": things[name].pk}
    for name, link in (("own collection", "own link"), ("their collection", "their link")):
        ids = {"id": things[name].pk, "number": things[link].pk}
        found[name] = {**ids, "public_id": assets["shown"].public_id}
    for name in ("item", "blocked", "job", "own import", "their import", "own upload", "their upload"):
        found[name] = {"public_id": things[name].public_id, "ending": "csv"}
    for name in ("open SKU", "hidden SKU"):
        found[name] = {"code": things[name].code}
    for name in ("preset", "open tag", "hidden tag", "season", "retired field", "cost", "style"):
        found[name] = {"slug": things[name].slug}
    tried = things["the editor's try-on"]
    found["the editor's try-on"] = {"public_id": tried.photo.public_id, "item": tried.item.public_id}
    found["hook"] = {"id": things["hook"].pk, "number": things["delivery"].pk}
    # What is not the thing itself but one way to it.
    found["shown, for the press"] = {**found["shown"], "preset": things["preset"].slug}
    found["shown, in a preset of no name"] = {**found["shown"], "preset": "nameless"}
    return found


def address(row: Row, known: dict[str, dict[str, Any]]) -> str:
    """Where the row's request goes."""
    parts = known.get(row.what) or known.get(row.thing) or {}
    asked = "?even_if_used=true" if row.what.endswith(EVEN_IF_USED) else ""
    return PREFIX + row.path.format(**parts) + asked


Sent = dict[str, Any]


def sent(world: World, row: Row) -> Sent:
    """What the row's request carries, as the test client takes it."""
    make = _SENT.get((f"{row.method} {row.path}", row.what)) or _SENT.get(f"{row.method} {row.path}")
    return make(world) if make else {}


def prepare(world: World, row: Row) -> None:
    """Bring the thing into the state that the row is about, where it is not in it."""
    thing, state = world.things.get(row.thing), row.what.partition(", ")[2]
    if isinstance(thing, BulkEdit) and state == "done":
        finish_edit(thing)
    if isinstance(thing, Import) and state:
        started = timezone.now() if state == "running" else None
        Import.objects.filter(pk=thing.pk).update(state=ImportState(state), started=started)
    if row.thing == "job" and state == "paused":
        type(thing).objects.filter(pk=thing.pk).update(state="paused")
    if row.thing == "job" and state.startswith("failed"):
        thing.items.filter(state="queued").update(state="failed")
    if row.path.startswith("/uploads/{"):
        spool(thing)
    if row.what == "the owner's archive":
        spool(world.things["archive"], empty_zip())


def empty_zip() -> bytes:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    return packed.getvalue()


def _json(**body: Any) -> Sent:
    return {"data": body, "format": "json"}


def _asks_by_hash(world: World, name: str) -> Sent:
    return {"data": {"sha256": world.assets[name].current.sha256}}


def _file_of(world: World, name: str) -> SimpleUploadedFile:
    with world.assets[name].current.file.open("rb") as file:
        return SimpleUploadedFile("sent.jpg", file.read(), "image/jpeg")


def _clicked(world: World, name: str) -> Sent:
    query_id = signing.dumps(world.things["logged search"].pk, salt=query_log.SALT)
    return _json(query_id=query_id, asset=_id(world, name), position=1)


def _form(**body: Any) -> Sent:
    return {"data": body, "format": "multipart"}


def _picture(seed: int, **drawn: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("sent.jpg", picture(seed=seed, **drawn), "image/jpeg")


def _id(world: World, name: str) -> str:
    return str(world.assets[name].public_id)


def _table(*lines: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("table.csv", "\n".join(lines).encode(), "text/csv")


def _tus(**headers: str) -> Sent:
    return {"headers": {"Tus-Resumable": "1.0.0", **headers}}


def _tus_piece(offset: int) -> Sent:
    return {
        "data": b"x" * 100,
        "content_type": "application/offset+octet-stream",
        **_tus(**{"Upload-Offset": str(offset)}),
    }


def _tus_metadata(**known: str) -> Sent:
    pairs = [f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in known.items()]
    return _tus(**{"Upload-Length": "100", "Upload-Metadata": ",".join(pairs)})


def _ordered(name: str, world: World) -> Sent:
    return _json(assets=[_id(world, name)])


def _order(world: World) -> Sent:
    chosen = {
        "models": str(world.things["model"].public_id),
        "garments": str(world.things["garment"].public_id),
    }
    return _json(kind="outfits", again=True, **chosen)


_SENT: dict[str | tuple[str, str], Callable[[World], Sent]] = {
    ("POST /assets/", "a new file"): lambda world: _form(file=_picture(90), title="New"),
    ("POST /assets/", "the file of hidden"): lambda world: _form(file=_picture(4)),
    "PATCH /assets/{public_id}/": lambda world: _json(title="Changed"),
    ("PATCH /assets/{public_id}/", "draft, to be approved"): lambda world: _json(state="approved"),
    ("GET /provenance/", "the file of shown"): lambda world: _asks_by_hash(world, "shown"),
    ("GET /provenance/", "the file of hidden"): lambda world: _asks_by_hash(world, "hidden"),
    ("POST /provenance/", "the file of shown"): lambda world: _form(file=_file_of(world, "shown")),
    ("POST /provenance/", "the file of hidden"): lambda world: _form(file=_file_of(world, "hidden")),
    "POST /assets/{public_id}/comments/": lambda world: _json(text="Well."),
    "POST /assets/{public_id}/links/": lambda world: _json(preset="web"),
    ("POST /assets/{public_id}/merge/", "shown, with foreign"): lambda world: _json(
        others=[_id(world, "foreign")]
    ),
    ("POST /assets/{public_id}/merge/", "draft, with hidden"): lambda world: _json(
        others=[_id(world, "hidden")]
    ),
    "POST /assets/{public_id}/versions/": lambda world: _form(file=_picture(91)),
    ("POST /assets/{public_id}/versions/", "draft, the file of hidden"): lambda world: _form(
        file=_picture(4)
    ),
    "POST /assets/update-metadata/": lambda world: _form(
        file=_table("id,title", f"{_id(world, 'draft')},Changed", f"{_id(world, 'hidden')},Changed"),
        dry_run="false",
    ),
    ("POST /assignments/", "shown"): lambda world: _json(
        assets=[_id(world, "shown")], assignee=world.people["editor"].username, task="Look at it"
    ),
    ("POST /assignments/", "draft"): lambda world: _json(
        assets=[_id(world, "draft")], assignee=world.people["editor"].username, task="Look at it"
    ),
    ("POST /bulk-edits/", "draft"): lambda world: _json(ids=[_id(world, "draft")], changes={"kind": "prop"}),
    ("POST /bulk-edits/", "hidden"): lambda world: _json(
        ids=[_id(world, "hidden")], changes={"kind": "prop"}
    ),
    "POST /collections/": lambda world: _json(name="New"),
    "PATCH /collections/{id}/": lambda world: _json(name="Changed"),
    "POST /collections/{id}/items/": lambda world: _json(assets=[_id(world, "foreign")]),
    ("POST /collections/{id}/items/", "own collection, expired"): lambda world: _json(
        assets=[_id(world, "expired")]
    ),
    "POST /collections/{id}/items/order/": lambda world: _json(assets=[_id(world, "draft")]),
    **{
        ("POST /collections/{id}/items/order/", f"{whose} collection, {name}"): partial(_ordered, name)
        for whose, name in (("own", "hidden"), ("own", "foreign"), ("their", "hidden"))
    },
    "POST /collections/{id}/links/": lambda world: _json(
        expires_at=(timezone.now() + timedelta(days=1)).isoformat()
    ),
    "POST /generation/items/verdicts/": lambda world: _json(
        verdict="reject", items=[str(world.things["item"].public_id)]
    ),
    "POST /generation/items/undo/": lambda world: _json(deed=str(world.things["verdict"].deed)),
    "POST /generation/jobs/": _order,
    "POST /generation/jobs/{public_id}/prioritise/": lambda world: _json(priority=30),
    "POST /generation/plans/": _order,
    "POST /generation/selections/": lambda world: _form(
        selection="garments", table=_table("asset", str(world.things["garment"].public_id))
    ),
    "POST /generation/templates/": lambda world: _json(
        key="new", kind="outfits", name="New", text="{pictures}", text_zh="{pictures}"
    ),
    "POST /generation/templates/preview/": lambda world: _json(template="outfits", kind="outfits"),
    "POST /generation/styles/": lambda world: _json(slug="new", name="New"),
    "PATCH /generation/styles/{slug}/": lambda world: _json(name="Changed"),
    "POST /generation/rules/": lambda world: _json(name="New", terms=["hat"]),
    "PATCH /generation/rules/{id}/": lambda world: _json(name="Changed"),
    "POST /generation/try-ons/": lambda world: _form(photo=_picture(94), consent="true"),
    "POST /generation/try-ons/{public_id}/run/": lambda world: _json(
        garments=str(world.things["garment"].public_id)
    ),
    ("POST /imports/", "the owner's archive"): lambda world: _json(
        upload=str(world.things["archive"].public_id)
    ),
    ("POST /imports/", "a folder of the server"): lambda world: _json(folder="/nowhere/pictures"),
    "POST /notices/read/": lambda world: _json(
        ids=[notice.pk for notice in world.people["owner"].notices.all()]
    ),
    "POST /rendition-presets/": lambda world: _json(slug="new", width=50, height=50),
    "PATCH /rendition-presets/{slug}/": lambda world: _json(width=51),
    ("POST /saved-searches/", "for oneself"): lambda world: _json(name="New", query="kind=prop"),
    ("POST /saved-searches/", "for everybody"): lambda world: _json(
        name="New", query="kind=prop", shared=True
    ),
    ("GET /search/suggestions/", "words of hidden"): lambda world: {"data": {"q": "sledge"}},
    ("POST /search/clicks/", "shown"): lambda world: _clicked(world, "shown"),
    ("POST /search/clicks/", "hidden"): lambda world: _clicked(world, "hidden"),
    ("GET /search/", "words of hidden"): lambda world: {"data": {"q": "sledge"}},
    ("GET /search/", "the hidden tag"): lambda world: {"data": {"tag": world.things["hidden tag"].slug}},
    ("GET /search/", "the hidden SKU"): lambda world: {"data": {"sku": world.things["hidden SKU"].code}},
    ("POST /search/", "like shown"): lambda world: _json(like=_id(world, "shown")),
    ("POST /search/", "like draft"): lambda world: _json(like=_id(world, "draft")),
    ("POST /search/", "like hidden"): lambda world: _json(like=_id(world, "hidden")),
    "POST /skus/": lambda world: _json(code="NEW-1"),
    "PATCH /skus/{code}/": lambda world: _json(name="Changed"),
    "POST /skus/{code}/suggestions/": lambda world: _json(assets=[_id(world, "draft")]),
    ("POST /skus/{code}/suggestions/", "open SKU, foreign"): lambda world: _json(
        assets=[_id(world, "foreign")]
    ),
    "POST /skus/sync/": lambda world: _form(file=_table("code,name", "NEW-2,New")),
    "POST /custom-fields/": lambda world: _json(slug="fit", label="Fit", type="text"),
    "PATCH /custom-fields/{slug}/": lambda world: _json(label="Changed"),
    "POST /field-rules/": lambda world: _json(kind="model", state="approved", required=["model_release"]),
    "PATCH /field-rules/{id}/": lambda world: _json(required=["credit"]),
    ("POST /tags/{slug}/merge/", "open tag"): lambda world: _json(others=[world.things["hidden tag"].slug]),
    ("POST /tags/{slug}/merge/", "hidden tag"): lambda world: _json(others=[world.things["open tag"].slug]),
    "POST /tags/": lambda world: _json(slug="new", label="New"),
    "PATCH /tags/{slug}/": lambda world: _json(label="Changed"),
    ("POST /uploads/", "a new file"): lambda world: _tus_metadata(filename="new.jpg"),
    ("POST /uploads/", "into their collection"): lambda world: _tus_metadata(
        filename="new.jpg", collection=str(world.things["their collection"].pk)
    ),
    "PATCH /uploads/{public_id}/": lambda world: _tus_piece(0),
    "DELETE /uploads/{public_id}/": lambda world: _tus(),
    "HEAD /uploads/{public_id}/": lambda world: _tus(),
    "POST /webhooks/": lambda world: _json(
        name="New", url="https://new.example.com/hook", events=["asset.approved"]
    ),
    "PATCH /webhooks/{id}/": lambda world: _json(name="Changed"),
    ("POST /generation/jobs/{public_id}/retry/", "job, failed, a new budget"): lambda world: _json(
        budget="5"
    ),
}
