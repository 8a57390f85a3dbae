"""Atelier's own engines: bounds on uploads, encoders, vector index, generation providers."""

from pathlib import Path

from atelier.settings.environment import DATA_DIR, env

# Bounds checked before a picture is decoded (bytes of file, pixels of one frame).
DAM_MAX_FILE_BYTES = env.int("DAM_MAX_FILE_BYTES", default=100 * 1024 * 1024)
DAM_MAX_PIXELS = env.int("DAM_MAX_PIXELS", default=120_000_000)
# What one file may take of the process that decodes it: seconds of computing (and twice that by the clock),
# and MB of memory, in all.
DAM_DECODER_SECONDS = env.int("DAM_DECODER_SECONDS", default=20)
DAM_DECODER_MEGABYTES = env.int("DAM_DECODER_MEGABYTES", default=2048)
# After so many days in the trash an asset is deleted for good; 0: never.
DAM_TRASH_DAYS = env.int("DAM_TRASH_DAYS", default=30)
# A stored file that no row names is left for so many hours: ingest stores before it writes the row.
DAM_UNNAMED_FILE_HOURS = env.float("DAM_UNNAMED_FILE_HOURS", default=1)
# Pixels that one process decodes at once, and how long a request waits for its turn (then: 503).
DAM_PIXELS_AT_ONCE = env.int("DAM_PIXELS_AT_ONCE", default=60_000_000)
DAM_MAKE_WAIT_SECONDS = env.float("DAM_MAKE_WAIT_SECONDS", default=15)
# How long caches that many people share keep a file: so long a withdrawn picture may still be there.
DAM_SHARED_CACHE_SECONDS = env.int("DAM_SHARED_CACHE_SECONDS", default=24 * 3600)
DAM_MAX_LINK_DAYS = env.int("DAM_MAX_LINK_DAYS", default=90)
# What removes backgrounds: "u2netp" (weights from a package), "u2net:FILE", "isnet:FILE", "birefnet:FILE"
# (an ONNX file), or empty for nothing.
DAM_MATTING = env.str("DAM_MATTING", default="u2netp")
# Bounds on archives (entries, bytes of all of them unpacked, unpacked by packed bytes) and on manifests.
DAM_MAX_ARCHIVE_ENTRIES = env.int("DAM_MAX_ARCHIVE_ENTRIES", default=100_000)
DAM_MAX_ARCHIVE_BYTES = env.int("DAM_MAX_ARCHIVE_BYTES", default=20 * 1024**3)
DAM_MAX_ARCHIVE_RATIO = env.int("DAM_MAX_ARCHIVE_RATIO", default=200)
DAM_MAX_TABLE_BYTES = env.int("DAM_MAX_TABLE_BYTES", default=128 * 1024 * 1024)
# Where uploads wait until they are complete: a folder that every web and worker process shares.
DAM_UPLOAD_SPOOL = Path(env.str("DAM_UPLOAD_SPOOL", default=str(DATA_DIR / "uploads")))
# An upload that nobody continues for so many hours is removed; so many may be open in one account.
DAM_UPLOAD_HOURS = env.int("DAM_UPLOAD_HOURS", default=48)
DAM_OPEN_UPLOADS = env.int("DAM_OPEN_UPLOADS", default=200)
# Where imports may read from the site: folders (administrators), and bucket/prefix of S3 (editors).
DAM_IMPORT_FOLDERS = env.list("DAM_IMPORT_FOLDERS", default=[])
DAM_IMPORT_S3 = env.list("DAM_IMPORT_S3", default=[])
# The archive of an import that is not done is kept for so many days.
DAM_IMPORT_DAYS = env.int("DAM_IMPORT_DAYS", default=30)
# Webhooks may lead to private addresses and without encryption: for receivers in one's own network only.
DAM_WEBHOOK_ALLOW_PRIVATE = env.bool("DAM_WEBHOOK_ALLOW_PRIVATE", default=False)
# Who offers the generation service, by name or code, as China's label on its pictures says (GB 45438-2025).
DAM_AIGC_PRODUCER = env.str("DAM_AIGC_PRODUCER", default="Atelier")
# Whether everybody may ask which provider and model have made a picture that they see.
DAM_PROVENANCE_TELLS_MODEL = env.bool("DAM_PROVENANCE_TELLS_MODEL", default=True)
# Generated pictures are signed (C2PA) with this certificate chain and key, files in PEM; empty: not signed.
C2PA_CERTIFICATE = env.str("C2PA_CERTIFICATE", default="")
C2PA_PRIVATE_KEY = env.str("C2PA_PRIVATE_KEY", default="")
C2PA_ALGORITHM = env.str("C2PA_ALGORITHM", default="es256")
C2PA_TIMESTAMP_URL = env.str("C2PA_TIMESTAMP_URL", default="")
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
# Large files of forms until a view has read them; `atelier.incoming` makes the folder. Anybody may send one,
# and /tmp of a container is memory.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"

# The encoder whose space is searched: "starter", "openclip:MODEL/PRETRAINED", "transformers:MODEL", …
SEARCH_ENCODER = env.str("SEARCH_ENCODER", default="starter")
SEARCH_ENCODERS = {
    "starter": "search.encoders.starter.encoder.StarterEncoder",
    "openclip": "search.encoders.openclip.OpenClipEncoder",
    "transformers": "search.encoders.transformers.TransformersEncoder",
    "openai": "search.encoders.openai_describe.OpenAIEncoder",
    "dashscope": "search.encoders.dashscope_multimodal.DashScopeEncoder",
    "gemini": "search.encoders.gemini_embedding.GeminiEncoder",
}
# Who runs `openclip:` and `transformers:` encoders: "openvino", "torch", or "auto": torch on a GPU, else
# OpenVINO.
SEARCH_RUNTIME = env.str("SEARCH_RUNTIME", default="auto")
# On the CPU: "f32", "bf16", "int8" (a space of its own); "auto": bf16 where the processor has it.
SEARCH_PRECISION = env.str("SEARCH_PRECISION", default="auto")
# Where towers that were exported to OpenVINO are kept; made anew when missing.
SEARCH_EXPORTS = Path(env.str("SEARCH_EXPORTS", default="") or DATA_DIR / "encoders")
SEARCH_BATCH_SIZE = env.int("SEARCH_BATCH_SIZE", default=32)
SEARCH_EF = env.int("SEARCH_EF", default=0)  # 0: by the size of the collection
# How long a process works with the words that it knows before it asks whether there are new ones.
SEARCH_VOCABULARY_SECONDS = env.float("SEARCH_VOCABULARY_SECONDS", default=5)
# For so many days the log of searches is kept, and for so many of them who searched; 0: not at all.
SEARCH_LOG_DAYS = env.int("SEARCH_LOG_DAYS", default=365)
SEARCH_LOG_PERSON_DAYS = env.int("SEARCH_LOG_PERSON_DAYS", default=30)
# Which spaces an asset enters. "one": that of SEARCH_ENCODER. "chosen": also that of SEARCH_QUALITY_ENCODER,
# for the first so many assets, and for those of a tag (and below it), a collection (its number) or a kind.
SEARCH_POLICY = env.str("SEARCH_POLICY", default="one")
SEARCH_QUALITY_ENCODER = env.str("SEARCH_QUALITY_ENCODER", default="")
SEARCH_QUALITY_FIRST = env.int("SEARCH_QUALITY_FIRST", default=0)
SEARCH_QUALITY_TAGS = env.list("SEARCH_QUALITY_TAGS", default=[])
SEARCH_QUALITY_COLLECTIONS = env.list("SEARCH_QUALITY_COLLECTIONS", cast=int, default=[])
SEARCH_QUALITY_KINDS = env.list("SEARCH_QUALITY_KINDS", default=[])
# What an encoder behind an API may cost, in the currency of its prices, and in a day; "none": no limit.
SEARCH_BUDGET_TOTAL = env.str("SEARCH_BUDGET_TOTAL", default="10")
SEARCH_BUDGET_DAY = env.str("SEARCH_BUDGET_DAY", default="none")
# Words that are searched with are bought beyond those two, up to this in a day; then search goes on without.
SEARCH_BUDGET_QUERIES = env.str("SEARCH_BUDGET_QUERIES", default="1")
# {"MODEL": {"input": …, "pictures": …, "output": …, "picture_tokens": …, "batch": …, "currency": …}}
SEARCH_PRICES = env.json("SEARCH_PRICES", default={})
# Seconds that a vendor has for pictures, and for the words of somebody who waits; calls at the same time.
# Repeated calls may be billed each, so that by default none is repeated: the outbox comes back to it.
SEARCH_VENDOR_TIMEOUT_SECONDS = env.float("SEARCH_VENDOR_TIMEOUT_SECONDS", default=60)
SEARCH_VENDOR_QUERY_SECONDS = env.float("SEARCH_VENDOR_QUERY_SECONDS", default=3)
SEARCH_VENDOR_RETRIES = env.int("SEARCH_VENDOR_RETRIES", default=0)
SEARCH_VENDOR_CALLS = env.int("SEARCH_VENDOR_CALLS", default=4)

# Keys, addresses (empty: the vendor's own) and models of vendors.
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")
OPENAI_VISION_MODEL = env.str("OPENAI_VISION_MODEL", default="gpt-5.4-mini")
OPENAI_EMBEDDING_MODEL = env.str("OPENAI_EMBEDDING_MODEL", default="text-embedding-3-large")
OPENAI_EMBEDDING_DIMENSIONS = env.int("OPENAI_EMBEDDING_DIMENSIONS", default=1536)
DASHSCOPE_API_KEY = env.str("DASHSCOPE_API_KEY", default="")
DASHSCOPE_BASE_URL = env.str("DASHSCOPE_BASE_URL", default="https://dashscope.aliyuncs.com/api/v1")
DASHSCOPE_EMBEDDING_MODEL = env.str("DASHSCOPE_EMBEDDING_MODEL", default="qwen3-vl-embedding")
DASHSCOPE_EMBEDDING_DIMENSIONS = env.int("DASHSCOPE_EMBEDDING_DIMENSIONS", default=1024)
GEMINI_API_KEY = env.str("GEMINI_API_KEY", default="")
GEMINI_BASE_URL = env.str("GEMINI_BASE_URL", default="")
GEMINI_EMBEDDING_MODEL = env.str("GEMINI_EMBEDDING_MODEL", default="gemini-embedding-2")
GEMINI_EMBEDDING_DIMENSIONS = env.int("GEMINI_EMBEDDING_DIMENSIONS", default=1536)
# Empty: Milvus Lite, started when needed as one server process over the data folder.
MILVUS_URI = env.str("MILVUS_URI", default="")
MILVUS_TOKEN = env.str("MILVUS_TOKEN", default="")
MILVUS_LITE_DIR = DATA_DIR / "milvus"
MILVUS_COLLECTION_PREFIX = env.str("MILVUS_COLLECTION_PREFIX", default="assets")

# So long a person's own picture, and what was made of it, is kept for trying on.
GENERATION_PERSON_DAYS = env.int("GENERATION_PERSON_DAYS", default=7)
# After so many days the pictures that a review rejected go to the trash; 0: never.
GENERATION_REJECTED_DAYS = env.int("GENERATION_REJECTED_DAYS", default=30)
GENERATION_PROVIDER = env.str("GENERATION_PROVIDER", default="board")
# {"MODEL": {"picture": …, "currency": …, "as_of": …, "batch": …}}: what a picture costs, above the table.
GENERATION_PRICES = env.json("GENERATION_PRICES", default={})
# {"PROVIDER": …}: calls a minute, and calls at the same time, by all workers together. Without an entry:
# no limit a minute, and as many at the same time as the provider declares.
GENERATION_CALLS_PER_MINUTE = env.json("GENERATION_CALLS_PER_MINUTE", default={})
GENERATION_PARALLEL_CALLS = env.json("GENERATION_PARALLEL_CALLS", default={})
_GEMINI = {
    "api_key": GEMINI_API_KEY,
    "base_url": GEMINI_BASE_URL,
    "model": env.str("GEMINI_IMAGE_MODEL", default="gemini-nano-banana-2.1"),
    "timeout_seconds": env.int("GEMINI_TIMEOUT_SECONDS", default=180),
}
GENERATION_PROVIDERS = {
    "board": {"CLASS": "generation.providers.board.BoardProvider", "OPTIONS": {}},
    "gemini": {"CLASS": "generation.providers.gemini.GeminiProvider", "OPTIONS": _GEMINI},
    "gemini-batch": {"CLASS": "generation.providers.gemini_batch.GeminiBatchProvider", "OPTIONS": _GEMINI},
    "vertex-tryon": {
        "CLASS": "generation.providers.vertex_tryon.VertexTryOnProvider",
        "OPTIONS": {
            "project": env.str("VERTEX_PROJECT", default=""),
            "location": env.str("VERTEX_LOCATION", default="us-central1"),
            # A service account's key file; empty: Application Default Credentials.
            "credentials": env.str("VERTEX_CREDENTIALS", default=""),
            "base_url": env.str("VERTEX_BASE_URL", default=""),
            "tryon_model": env.str("VERTEX_TRYON_MODEL", default="virtual-try-on-001"),
            "product_model": env.str(
                "VERTEX_PRODUCT_MODEL", default="imagen-product-recontext-preview-06-30"
            ),
            "timeout_seconds": env.int("VERTEX_TIMEOUT_SECONDS", default=180),
        },
    },
    "openai-images": {
        "CLASS": "generation.providers.openai_images.OpenAIImagesProvider",
        "OPTIONS": {
            "api_key": OPENAI_API_KEY,
            "base_url": OPENAI_BASE_URL,
            "model": env.str("OPENAI_IMAGE_MODEL", default="gpt-image-2"),
            "timeout_seconds": env.int("OPENAI_IMAGE_TIMEOUT_SECONDS", default=300),
        },
    },
    "diffusers": {
        "CLASS": "generation.providers.diffusers.DiffusersProvider",
        "OPTIONS": {
            # The folder of a model as save_pretrained writes it, or its name at the hub; the weights of an
            # IP-Adapter, with the folder image_encoder beside them.
            "model": env.str("DIFFUSERS_MODEL", default=""),
            "adapter": env.str("DIFFUSERS_IP_ADAPTER", default=""),
            "device": env.str("DIFFUSERS_DEVICE", default="auto"),
            "dtype": env.str("DIFFUSERS_DTYPE", default="auto"),
            "edge": env.int("DIFFUSERS_EDGE", default=768),
            "steps": env.int("DIFFUSERS_STEPS", default=30),
            "guidance": env.float("DIFFUSERS_GUIDANCE", default=7.0),
            "strength": env.float("DIFFUSERS_STRENGTH", default=0.6),
            "adapter_scale": env.float("DIFFUSERS_IP_ADAPTER_SCALE", default=0.6),
            "seconds_per_picture": env.float("DIFFUSERS_SECONDS", default=30),
            "prompt_tokens": env.int("DIFFUSERS_PROMPT_TOKENS", default=75),
        },
    },
}
