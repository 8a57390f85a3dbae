"""Django itself: applications, middleware, templates, languages, authentication, REST framework."""

from pathlib import Path

from django.utils.translation import gettext_lazy as _

from atelier.settings.environment import BASE_DIR, DATA_DIR, env, persistent_secret
from atelier.settings.security import BEHIND_PROXY

ATELIER_DATA = DATA_DIR
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or persistent_secret("secret_key")
# Keys from before the last change: what they signed stays valid.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# How letters and messages address this site: where they are written there is no request to read it from.
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{env.str('PORT', default='8000')}").rstrip("/")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "atelier.admin_app.AtelierAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "atelier.static_app.AtelierStaticFilesConfig",
    "django.contrib.humanize",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "corsheaders",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_countries",
    "django_structlog",
    "atelier",
    "dam",
    "search",
    "generation",
]

MIDDLEWARE = [
    "atelier.probes.answer_probes",
    "atelier.http_telemetry.measure",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "atelier.headers.permissions_policy",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "atelier.sessions.begin_anew",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "atelier.second_step.SecondStep",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dam.api.answer_headers.tell_more",
    "dam.api.idempotency.IdempotentPosts",
    "search.afterwards.answer_first",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "atelier.urls"
WSGI_APPLICATION = "atelier.wsgi.application"
ASGI_APPLICATION = "atelier.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses whoever has tried too often
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
STOREFRONT_PAGE = env.bool("STOREFRONT_PAGE", default=True)
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]


REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dam.api.authentication.KeyAuthentication",
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_SCHEMA_CLASS": "dam.api.header_schema.HeaderSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "dam.api.negotiation.OneKind",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "dam.api.pagination.NewestFirst",
    "EXCEPTION_HANDLER": "dam.api.problems.problem_handler",
    "PAGE_SIZE": 50,
    "DEFAULT_THROTTLE_CLASSES": [
        "dam.api.throttles.PerAddress",
        "dam.api.throttles.PerAccount",
    ],
    # Whose address a request says it comes from is believed of our own proxy only.
    "NUM_PROXIES": int(BEHIND_PROXY),
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.str("THROTTLE_ANON", default="120/min"),
        "user": env.str("THROTTLE_USER", default="1200/min"),
        # Files that are held against the library: each is decoded.
        "provenance": env.str("THROTTLE_PROVENANCE", default="20/min"),
        # Pictures that visitors search with.
        "pictures": env.str("THROTTLE_PICTURES", default="20/min"),
    },
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Atelier",
    "DESCRIPTION": "Digital assets that can be asked, and batch image generation from what was found.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",  # its files are served by this site
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # What is sent has files as bytes and nothing that is only read; what is answered is described apart.
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "atelier.examples.add_examples",
    ],
    # Fields called alike whose choices differ; without a name of their own they would get a hash.
    "ENUM_NAME_OVERRIDES": {
        "AssetKindEnum": "dam.models.AssetKind",
        "AssetStateEnum": "dam.models.AssetState",
        "AssetOriginEnum": "dam.models.AssetOrigin",
        "MakingEnum": "dam.models.Making",
        "AspectEnum": "search.api.serializers.ASPECTS",
        "SearchedStateEnum": "search.api.serializers.STATES",
        "SKURoleEnum": "dam.models.SKURole",
        "SKUStatusEnum": "dam.models.SKUStatus",
        "InputRoleEnum": "generation.models.InputRole",
        "JobKindEnum": "generation.models.JobKind",
        "JobStateEnum": "generation.models.JobState",
        "ItemStateEnum": "generation.models.ItemState",
        "VerdictEnum": "generation.models.Verdict",
        "GivenVerdictEnum": ["approve", "reject", "regenerate"],
        "SpendPurposeEnum": "search.models.SpendPurpose",
    },
}
