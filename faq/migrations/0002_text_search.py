"""PostgreSQL's full text column and indexes. SQLite's are made after every migrate (faq.text_search)."""

from __future__ import annotations

from typing import Any

from django.db import migrations

FORWARD = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    """
    ALTER TABLE faq_entry ADD COLUMN search tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', question || ' ' || variants), 'A')
        || setweight(to_tsvector('english', answer), 'B')
    ) STORED
    """,
    "CREATE INDEX faq_entry_search ON faq_entry USING gin (search)",
    "CREATE INDEX faq_entry_question_trigram ON faq_entry USING gin (question gin_trgm_ops)",
    "CREATE INDEX faq_entry_wordings_trigram ON faq_entry USING gin (wordings gin_trgm_ops)",
]
BACKWARD = [
    "DROP INDEX faq_entry_wordings_trigram",
    "DROP INDEX faq_entry_question_trigram",
    "ALTER TABLE faq_entry DROP COLUMN search",
]


def run(statements: list[str]) -> Any:
    def on_postgresql(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("faq", "0001_initial")]
    operations = [migrations.RunPython(run(FORWARD), run(BACKWARD))]
