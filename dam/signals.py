"""What happens in the library, for other apps to hear; `dam.receivers` keeps words and tells webhooks by it.

All signals are sent inside the transaction that made the change: a receiver may write its own
rows there (the search outbox does), and must leave all input and output to `transaction.on_commit`.
"""

from django.dispatch import Signal

# Sent with `asset_ids: list[int]` after assets, their files, tags, SKUs or collections changed; and with
# `state_changed=True` where they have just come into the state that they are in.
assets_changed = Signal()
# Sent with `kept_id: int` and `merged_ids: list[int]` after assets went into another one.
assets_merged = Signal()
# Sent with `asset_ids: list[int]` just before the rows are deleted for good.
assets_deleted = Signal()
