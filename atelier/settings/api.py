"""What pages of other sites may do with the API (CORS): nothing, unless the environment says so."""

from corsheaders.defaults import default_headers

from atelier.settings.environment import env

# Origins such as https://shop.example.com. Their pages show an API key: cookies are never taken from them.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE")
_TUS = ("tus-resumable", "upload-length", "upload-offset", "upload-metadata", "upload-checksum")
CORS_ALLOW_HEADERS = (*default_headers, "idempotency-key", "if-match", "if-none-match", *_TUS)
CORS_EXPOSE_HEADERS = (
    "ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "Idempotent-Replayed",
    "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm",
    "Upload-Offset", "Upload-Length", "Upload-Expires", "Atelier-State", "Atelier-Asset", "Atelier-Problem",
)  # fmt: skip
