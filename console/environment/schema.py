"""Every environment variable: its type, its default and what it means."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from console.environment import database
from console.environment.values import (
    ApiKey,
    Collection,
    Contact,
    DatabaseHost,
    Folder,
    GeminiModel,
    Host,
    Hosts,
    Line,
    Listen,
    Name,
    Networks,
    Origins,
    Port,
    Rate,
    RedisUrl,
    Share,
    WebUrl,
)

MODELS = {"all-MiniLM-L6-v2": 384, "all-MiniLM-L6-v2-int8": 384}
DjangoEnv = Literal["development", "staging", "production"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def _model(value: str) -> str:
    name = value.removeprefix("sentence-transformers/")
    if name not in MODELS:
        raise ValueError(f"must be a model that this version knows: {', '.join(MODELS)}")
    return name


def _database_url(value: SecretStr) -> SecretStr:
    database.parse(value.get_secret_value())
    return value


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` gathered: a NAME_FILE at fault must be told together with everything else."""
        return (init_settings,)


class Application(_Settings):
    """The application"""

    DJANGO_ENV: DjangoEnv = Field("development", description="What this is; chooses the settings module.")
    SECRET_KEY: SecretStr | None = Field(
        None,
        description="Signs sessions and tokens; 50 characters or more. Required in staging and production;"
        " in development one is made and kept in DATA_DIR.",
    )
    DEBUG: bool = Field(False, description="Error pages with details. Refused in production.")
    SITE_NAME: Line = Field("Steadfast", description="The name on the chat page and the console.")
    CONTACT: Contact = Field(
        "",
        description="An address or link for those whom no entry helps: the last thing an asker is offered.",
    )
    HOST: Listen = Field("127.0.0.1", description="The address where `make run` listens.")
    PORT: Port = Field(8000, description="The port where `make run` listens.")
    DATA_DIR: Folder = Field(Path("data"), description="Where data is kept that has no server of its own.")
    MODEL_DIR: Folder = Field(
        Path("~/.cache/steadfast/models"),
        description="Where model files are kept; under XDG_CACHE_HOME instead of ~/.cache where that is set.",
    )
    LOG_LEVEL: Annotated[LogLevel, BeforeValidator(lambda v: v.strip().upper() if isinstance(v, str) else v)] = Field(
        "INFO", description="The least severe message that is logged."
    )
    LOG_FORMAT: Literal["text", "json"] = Field(
        "json", description="How log lines look; text in development, json otherwise."
    )
    RECEIPT_DAYS: int = Field(90, ge=1, le=3650, description="Days for which the receipts of answers are kept.")
    AUDIT_DAYS: int = Field(
        730, ge=0, le=36_500, description="Days for which the console's audit log is kept; 0: for ever."
    )
    JOB_SILENT_SECONDS: float = Field(
        30.0,
        ge=5,
        le=3600,
        description="Seconds without a sign after which a running job has lost its worker and is taken up by another.",
    )
    BACKUP_COMMAND: str = Field(
        "",
        description="A command that the worker runs once a day, for example a script around pg_dump; empty: none.",
    )
    BACKUP_DIR: Folder = Field(Path("data/backups"), description="Where `manage.py backup` keeps what it takes.")
    BACKUP_KEEP: int = Field(14, ge=1, le=10_000, description="How many backups are kept; older ones are deleted.")
    GENERATION_DAYS: int = Field(
        7, ge=0, le=365, description="Days for which a former generation of the index is kept for rollback."
    )


class Database(_Settings):
    """The database"""

    DATABASE_URL: Annotated[SecretStr, AfterValidator(_database_url)] | None = Field(
        None,
        description="postgresql://user:password@host:5432/name?sslmode=require, with special signs"
        " percent-encoded; wins over DB_*. In development also sqlite:///file.",
    )
    DB_NAME: Name | None = Field(
        None, description="The parts instead of the URL: staging and production require one of the two ways."
    )
    DB_USER: Name | None = Field(None, description="The database's user.")
    DB_PASSWORD: SecretStr | None = Field(None, description="The database user's password.")
    DB_HOST: DatabaseHost | None = Field(None, description="The database's host.")
    DB_PORT: Port = Field(5432, description="The database's port.")
    DATABASE_DIRECT_URL: Annotated[SecretStr, AfterValidator(_database_url)] | None = Field(
        None,
        description="Where migrations and backups go when DATABASE_URL leads to PgBouncer: they need a whole session.",
    )
    MIGRATE_AT_START: bool = Field(
        True,
        description="Whether a container applies migrations when it starts; false: it waits until another has.",
    )
    DB_POOL_MAX: int = Field(
        0,
        ge=0,
        le=100,
        description="Most connections that one web process pools, at least its threads; 0 = no pool.",
    )


class Services(_Settings):
    """Redis and Gemini, each of which answers can do without"""

    REDIS_URL: RedisUrl | None = Field(
        None,
        description="redis://:password@host:6379/0 for cache and jobs. Required in staging and production;"
        " without it both live in the process.",
    )
    CACHE_TTL: int = Field(3600, ge=0, le=31_536_000, description="Seconds for which an answer is cached.")
    GEMINI_API_KEY: ApiKey | None = Field(
        None, description="Google's key; without it no answers are generated, and the console says so."
    )
    GEMINI_MODEL: GeminiModel = Field("gemini-flash-latest", description="The model that generates.")
    GEMINI_TOKENS_PER_DAY: int = Field(
        0,
        ge=0,
        le=10**12,
        description="Tokens that Gemini may cost in a day (UTC), all processes together; above it entries answer in"
        " their own words. 0 = no limit.",
    )
    GEMINI_BASE_URL: WebUrl | None = Field(None, description="A proxy to send Gemini's requests to.")


class Retrieval(_Settings):
    """Retrieval"""

    RAG_EMBEDDING_TYPE: Literal["local"] = Field("local", description="Where vectors are made; only local.")
    RAG_EMBEDDING_ENGINE: Literal["onnx", "sentence-transformers"] = Field(
        "onnx",
        description="What makes them: the same vectors, sentence-transformers needs the extra `reference`.",
    )
    RAG_LOCAL_EMBEDDING_MODEL: Annotated[str, AfterValidator(_model)] = Field(
        "all-MiniLM-L6-v2",
        description="The model that makes vectors; with -int8 a third of the time, other vectors, and the package onnx"
        " to make its file.",
    )
    RAG_VECTOR_DIMENSION: int = Field(384, ge=1, le=65536, description="The length of the model's vectors.")
    RAG_SIMILARITY_THRESHOLD: Share = Field(0.5, description="The score below which an entry is no match.")
    RAG_TOP_K: int = Field(5, ge=1, le=20, description="The most entries that one answer draws on.")
    RAG_TEXT_WEIGHT: Share = Field(0.2, description="Weight of the text score beside the vector score.")
    RAG_SURE: Share = Field(0.75, description="The confidence from which an answer stands alone.")
    RAG_LIKELY: Share = Field(
        0.5, description='The confidence from which it is given with "did you mean"; at most RAG_SURE.'
    )
    RAG_DEADLINE_SECONDS: float = Field(
        8.0,
        ge=0.1,
        le=60,
        allow_inf_nan=False,
        description="Seconds within which every question is answered.",
    )


class VectorStore(_Settings):
    """The vector store"""

    VECTOR_DB_URL: WebUrl | None = Field(None, description="Qdrant's address; wins over QDRANT_HOST and QDRANT_PORT.")
    QDRANT_HOST: Host | None = Field(
        None,
        description="Qdrant's host; qdrant in staging and production, none (the embedded store) in development.",
    )
    QDRANT_PORT: Port = Field(6333, description="Qdrant's REST port.")
    QDRANT_API_KEY: ApiKey | None = Field(None, description="Qdrant's key, where it asks for one.")
    QDRANT_COLLECTION_NAME: Collection = Field(
        "faq_embeddings", description="The alias through which the index is read."
    )


class Security(_Settings):
    """Security"""

    ALLOWED_HOSTS: Hosts = Field(
        (),
        description="The host names served, separated by commas. Required in staging and production, without *"
        " in production; in development localhost, 127.0.0.1, [::1] and HOST.",
    )
    CSRF_TRUSTED_ORIGINS: Origins = Field((), description="Other origins that may post, with their scheme.")
    SECURE_SSL_REDIRECT: bool = Field(True, description="Send HTTP to HTTPS; false in development.")
    SECURE_HSTS_SECONDS: int = Field(
        31_536_000,
        ge=0,
        le=126_144_000,
        description="Seconds for which browsers insist on HTTPS, where it is on.",
    )
    TRUSTED_PROXIES: Networks = Field(
        (), description="Addresses or networks of the proxies whose X-Forwarded-For is believed."
    )
    TLS_CERTIFICATE_FILE: Folder | None = Field(
        None, description="The proxy's certificate, where this process can read it: an alert tells before it expires."
    )
    RATE_LIMIT_CHAT: Rate = Field(
        "30/minute", description="Questions that one address may ask; in development only logged."
    )
    RATE_LIMIT_LOGIN: Rate = Field(
        "20/hour",
        description="Tries to sign in with one name from one address; in development only logged.",
    )


SECTIONS: tuple[type[_Settings], ...] = (Application, Database, Services, Retrieval, VectorStore, Security)


# The sections in reverse, as pydantic collects fields from the last base.
class Environment(Security, VectorStore, Retrieval, Services, Database, Application):
    """The whole environment, valid by itself; `load` also checks what binds variables to each other."""

    @property
    def deployed(self) -> bool:
        return self.DJANGO_ENV != "development"

    @property
    def qdrant_url(self) -> str | None:
        """The Qdrant server, or None for the embedded store."""
        host = self.QDRANT_HOST
        return self.VECTOR_DB_URL or (f"http://{host}:{self.QDRANT_PORT}" if host else None)

    @cached_property
    def direct_database(self) -> database.Database | None:
        """The way around a pooler, where there is one."""
        return database.parse(self.DATABASE_DIRECT_URL.get_secret_value()) if self.DATABASE_DIRECT_URL else None

    @cached_property
    def database(self) -> database.Database:
        """DATABASE_URL, else the parts, else a file (which staging and production refuse)."""
        if self.DATABASE_URL:
            return database.parse(self.DATABASE_URL.get_secret_value())
        if not self.DB_NAME:
            return database.sqlite(self.DATA_DIR / "steadfast.sqlite3")
        return database.Database(
            engine="postgresql",
            name=self.DB_NAME,
            user=self.DB_USER or "",
            password=plain(self.DB_PASSWORD),
            host=self.DB_HOST or "",
            port=self.DB_PORT,
        )


def plain(secret: SecretStr | None) -> str:
    """A secret in the clear, for the one library that needs it."""
    return secret.get_secret_value() if secret else ""


def is_secret(name: str) -> bool:
    return "SecretStr" in str(Environment.model_fields[name].annotation)
