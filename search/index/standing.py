"""How a collection stands on its server: there, loaded, indexed to the end, on enough nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.index.connection import connect, reporting_outages

# Beyond so many assets Milvus Lite's answers take longer than people wait: measured by `make bench`.
LITE_LIMIT = 20_000


@dataclass(frozen=True)
class Standing:
    """Of one collection; looking changes nothing.

    Attributes:
        loading: how much of it the server has in memory, in per cent; 100 once it can be searched.
        unindexed: vectors that the server's index does not cover yet.
        index_type: of the vectors, as the server calls it; empty: it has none.
        lost_replicas: copies that no node serves.
    """

    exists: bool
    loading: int = 0
    unindexed: int = 0
    index_type: str = ""
    lost_replicas: int = 0


@reporting_outages
def standing_of(name: str) -> Standing:
    """Look at the collection of this name.

    Raises:
        IndexUnavailable: Milvus does not answer.
    """
    client, capabilities = connect()
    if not client.has_collection(name):
        return Standing(exists=False)
    built: dict[str, Any] = {}
    if client.list_indexes(name, field_name="vector"):
        built = client.describe_index(name, "vector") or {}
    loading = _loading(client.get_load_state(name))
    asks_nodes = loading == 100 and not capabilities.lite  # of what is not loaded there are no replicas
    return Standing(
        exists=True,
        loading=loading,
        unindexed=int(built.get("pending_index_rows", 0)),
        index_type=str(built.get("index_type", "")),
        lost_replicas=_lost(client.describe_replica(name)) if asks_nodes else 0,
    )


def _loading(found: dict[str, Any]) -> int:
    state = getattr(found["state"], "name", str(found["state"]))
    if state == "Loaded":
        return 100
    return int(found.get("progress", 0))


def _lost(replicas: list[Any]) -> int:
    return sum(not replica.group_nodes for replica in replicas)
