"""What search measures for operators: seconds by leg, and what was encoded.

Where several processes answer, `PROMETHEUS_MULTIPROC_DIR` lets one of them tell for all (prometheus_client).
"""

from prometheus_client import Counter, Histogram

# Around the aims: 50 and 100 ms for a query, some seconds for a vendor's encoder.
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5)

LEG_SECONDS = Histogram(
    "atelier_search_leg_seconds",
    "Time of one leg of a search: the query's vector, vectors in Milvus, words in the index or the database.",
    ["leg"],
    buckets=_SECONDS,
)
SEARCH_SECONDS = Histogram(
    "atelier_search_seconds", "Time of a whole search, without the page around it.", buckets=_SECONDS
)
DEGRADED = Counter("atelier_search_degraded", "Searches that had to do without the index or the encoder.")
ENCODED = Counter("atelier_encoded_pictures", "Pictures that were encoded.", ["encoder"])
ENCODE_SECONDS = Counter("atelier_encode_seconds", "Time in the encoder.", ["encoder"])
