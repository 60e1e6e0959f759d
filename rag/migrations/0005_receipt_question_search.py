"""PostgreSQL: the log is searched by any part of a question, without reading every receipt."""

from __future__ import annotations

from typing import Any

from django.db import migrations

INDEX = "CREATE INDEX rag_receipt_question_trigram ON rag_receipt USING gin (upper(question) gin_trgm_ops)"


def run(statement: str) -> Any:
    def on_postgresql(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("rag", "0004_misses_and_cases"), ("faq", "0002_text_search")]  # which has the extension
    operations = [migrations.RunPython(run(INDEX), run("DROP INDEX rag_receipt_question_trigram"))]
