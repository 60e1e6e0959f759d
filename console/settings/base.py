"""Settings that hold everywhere; what differs is in the module that DJANGO_ENV names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from console.environment import current, plain
from console.settings.security import CONSOLE_CONTENT_SECURITY_POLICY as CONSOLE_CONTENT_SECURITY_POLICY
from console.settings.security import CONTENT_SECURITY_POLICY as CONTENT_SECURITY_POLICY
from console.settings.stores import caches, databases, rq_queues
from console.unfold import UNFOLD as UNFOLD

env = current()
BASE_DIR = Path(__file__).resolve().parents[2]
DJANGO_ENV = env.DJANGO_ENV
DATA_DIR = env.DATA_DIR
SITE_NAME = env.SITE_NAME
CONTACT = env.CONTACT

# Django
SECRET_KEY = plain(env.SECRET_KEY)
DEBUG = env.DEBUG
ALLOWED_HOSTS = list(env.ALLOWED_HOSTS)
CSRF_TRUSTED_ORIGINS = list(env.CSRF_TRUSTED_ORIGINS)
ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
CSRF_FAILURE_VIEW = "rag.chat.errors.csrf_failure"
DEFAULT_EXCEPTION_REPORTER = "console.debug_pages.SecretsBlanked"

INSTALLED_APPS = [
    "unfold",  # before django.contrib.admin, whose templates and scripts it replaces
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "csp",
    "simple_history",
    "import_export",
    "faq",
    "rag",
    "console",
]
MIDDLEWARE = [
    "console.middleware.RequestId",  # first, so that every answer bears one, refusals too
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "console.middleware.ConsolePolicy",
    "monitoring.inside.MachineDoors",  # below the headers of every answer, above what asks for a Host
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "rag.chat.limits.BodySize",  # before the CSRF check, which would read a large form
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "console.middleware.QueuesForOperators",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "monitoring.frame.BoundedLabels",  # last, so that it knows the view
]
PROMETHEUS_LATENCY_BUCKETS = (0.01, 0.05, 0.1, 0.3, 0.5, 1.0, 2.5, 8.0, float("inf"))
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "console" / "templates"],  # before Unfold's own, some of which are replaced
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
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

# Stores
DATABASES = databases(env)
REDIS_URL = plain(env.REDIS_URL)
CACHES = caches(env)
CACHE_TTL = env.CACHE_TTL
# Without Redis each process has a cache of its own, where a session ended elsewhere would live on.
SESSION_ENGINE = f"django.contrib.sessions.backends.{'cached_db' if REDIS_URL else 'db'}"
if REDIS_URL:
    INSTALLED_APPS += ["django_rq"]
    RQ_QUEUES = rq_queues(env)
    RQ_SHOW_ADMIN_LINK = False

# Answers
JOB_RUNNER = "rag.index.runners.RqRunner" if REDIS_URL else "rag.index.runners.ThreadRunner"
EMBEDDER = {
    "onnx": "rag.index.embedding.OnnxEmbedder",
    "sentence-transformers": "rag.index.embedding.SentenceTransformerEmbedder",
}[env.RAG_EMBEDDING_ENGINE]
RAG_EMBEDDING_ENGINE = env.RAG_EMBEDDING_ENGINE
RAG_LOCAL_EMBEDDING_MODEL = env.RAG_LOCAL_EMBEDDING_MODEL
RAG_VECTOR_DIMENSION = env.RAG_VECTOR_DIMENSION
RAG_SIMILARITY_THRESHOLD = env.RAG_SIMILARITY_THRESHOLD
RAG_TOP_K = env.RAG_TOP_K
RAG_TEXT_WEIGHT = env.RAG_TEXT_WEIGHT
RAG_SURE = env.RAG_SURE
RAG_LIKELY = env.RAG_LIKELY
RAG_DEADLINE_SECONDS = env.RAG_DEADLINE_SECONDS
MODEL_DIR = env.MODEL_DIR
QDRANT_URL = env.qdrant_url
QDRANT_API_KEY = plain(env.QDRANT_API_KEY)
QDRANT_COLLECTION_NAME = env.QDRANT_COLLECTION_NAME
VECTOR_STORE = "rag.index.vector_store.QdrantStore" if QDRANT_URL else "rag.index.embedded_store.EmbeddedStore"
GEMINI_API_KEY = plain(env.GEMINI_API_KEY)
GEMINI_MODEL = env.GEMINI_MODEL
GEMINI_BASE_URL = env.GEMINI_BASE_URL
GEMINI_TOKENS_PER_DAY = env.GEMINI_TOKENS_PER_DAY
GEMINI_API_KEY_FILE = os.environ.get("GEMINI_API_KEY_FILE", "").strip()  # read again when it changes
GENERATOR = "rag.answering.generation.GeminiGenerator" if GEMINI_API_KEY else None
RECEIPT_DAYS = env.RECEIPT_DAYS
AUDIT_DAYS = env.AUDIT_DAYS
GENERATION_DAYS = env.GENERATION_DAYS
JOB_SILENT_SECONDS = env.JOB_SILENT_SECONDS
BACKUP_COMMAND = env.BACKUP_COMMAND
BACKUP_DIR = env.BACKUP_DIR
BACKUP_KEEP = env.BACKUP_KEEP
RATE_LIMIT_CHAT = env.RATE_LIMIT_CHAT
RATE_LIMIT_LOGIN = env.RATE_LIMIT_LOGIN
RATE_LIMIT_ENFORCED = env.deployed
TRUSTED_PROXIES = list(env.TRUSTED_PROXIES)
TLS_CERTIFICATE_FILE = env.TLS_CERTIFICATE_FILE

# Static files
STATIC_URL = "/static/"

# Logs
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "console.log_format.WithRequestId"}},
    "formatters": {
        "text": {"()": "console.log_format.TextLines"},
        "json": {"()": "console.log_format.JsonLines"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": env.LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env.LOG_LEVEL},
    "loggers": {
        # Django's own handlers would write each line a second time, unblanked.
        "django": {"handlers": [], "level": env.LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": env.LOG_LEVEL, "propagate": True},
        # A line for every request to Qdrant and Gemini says nothing.
        **{name: {"level": "WARNING"} for name in ("httpx", "httpx2", "httpcore", "urllib3")},
    },
}
