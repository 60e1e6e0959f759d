"""What PostgreSQL reads to show a list: some rows by an index, however many there are. Asked with EXPLAIN ANALYZE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from rag.models import Generation, Receipt

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]
EACH = 20_000
ENOUGH = 2_000  # rows that a page of fifty may read of one table; a tenth of what there is
LARGE = (
    "rag_receipt",
    "faq_entry",
    "rag_missgroup",
    "rag_job",
    "console_auditevent",
    "rag_embedding",
    "rag_entrytally",
)
CONTENT = [
    """INSERT INTO faq_category (name, position, four_eyes) SELECT 'c' || n, n, false FROM generate_series(1, 20) n""",
    """INSERT INTO faq_entry (external_id, category_id, question, answer, variants, language, tags, status, review_date,
         created_at, updated_at)
       SELECT 'e' || n, (SELECT id FROM faq_category WHERE position = 1 + n % 20), 'What is ' || md5(n::text), 'So.',
         '', 'en', '', CASE WHEN n % 100 = 0 THEN 'draft' ELSE 'published' END,
         CASE WHEN n % 200 = 0 THEN date '2020-01-01' + n % 7 END, now(), now() - n * interval '1 minute'
       FROM generate_series(1, {each}) n""",
    """INSERT INTO rag_entrytally (entry_id, asks, up, down) SELECT id, id % 200, id % 5, id % 7 FROM faq_entry""",
    """INSERT INTO rag_embedding (generation_id, entry_id, text_hash, points, embedded_at)
       SELECT {generation}, id, text_hash, 2, now() FROM faq_entry WHERE status = 'published'""",
    """INSERT INTO rag_missgroup (question, vector, model, state, asks, wordings, heat, first_asked, last_asked,
         asks_replayed, asks_answered, looked_at)
       SELECT md5(n::text), '', 'm', CASE WHEN n % 100 = 0 THEN 'snoozed' ELSE 'open' END, 1, 1, random(), now(), now(),
         0, 0, now() FROM generate_series(1, {each}) n""",
    """INSERT INTO rag_missedquestion (group_id, key, question, vector, asks, last_asked)
       SELECT id, row_number() OVER (), question, '', 1, now() FROM rag_missgroup""",
    """INSERT INTO rag_receipt (id, created_at, request_id, conversation, question, answer, answered_by, entry_id,
         confidence, cached, miss, missed_id, degraded, fallbacks, rungs, sources, looks, versions, milliseconds, vote,
         vote_reason)
       SELECT gen_random_uuid(), now() - n * interval '1 minute', md5(n::text), gen_random_uuid(), md5(n::text), 'So.',
         CASE WHEN n % 300 = 0 THEN 'suggestions' ELSE 'exact' END, n % 500, 1, n % 3 = 0, n % 300 = 0,
         CASE WHEN n % 300 = 0 THEN (SELECT id FROM rag_missedquestion WHERE key = n::text) END,
         CASE WHEN n % 200 = 0 THEN '["generate"]'::jsonb ELSE '[]' END,
         CASE WHEN n % 200 = 0 THEN '[["generate", "timeout"]]'::jsonb ELSE '[]' END,
         '[]', '[]', '[]', '{{}}', '{{}}', CASE WHEN n % 200 = 0 THEN 'up' WHEN n % 201 = 0 THEN 'down' ELSE '' END, ''
       FROM generate_series(1, {each}) n""",
    """INSERT INTO rag_job (kind, scope, scope_key, state, total, done, skipped, failed, outcome, attempts, in_flight,
         cancel_requested, created_at, finished_at)
       SELECT CASE WHEN n % 20 = 0 THEN 'scan' ELSE 'reindex' END, '{{}}', '',
         CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 1, 0, 0, '', 1, '[]', false,
         now() - n * interval '1 minute', now() - n * interval '1 minute' FROM generate_series(1, {each}) n""",
    """INSERT INTO console_auditevent (at, actor_name, verb, kind, object_id, object_name, before, after, address,
         request_id)
       SELECT now() - n * interval '1 minute', 'u', CASE WHEN n % 300 = 0 THEN 'deleted' ELSE 'changed' END,
         CASE WHEN n % 300 = 0 THEN 'auth.user' ELSE 'faq.entry' END, n::text, 'Thing ' || n, '{{}}', '{{}}',
         '10.0.0.1', md5(n::text)
       FROM generate_series(1, {each}) n""",
    "ANALYZE",
]
# Each list with what narrows it or puts it in order. Not here, as they read all there is: the entries by category
# (their own order) and by asks, which two tables hold; and searches in the text of entries and of the audit log.
LISTS = {
    "rag_receipt": [
        *("", "?rung=suggestions", "?miss=1", "?degraded=1", "?vote=down", "?vote=any", "?cached=1", "?window=24h"),
        *("?entry=77", "?group={group}", "?q=c4ca4238", "?q=2383c7d07bce3c82e6da7741782de416"),
        *("?stage=generate&reason=timeout", "?before={mark}", "?miss=1&before={mark}"),
    ],
    "rag_missgroup": ["", "?show=snoozed", "?mine=1", "?page=9"],
    "faq_entry": ["?o=-8", "?o=8", "?o=7", "?o=-8&p=9", "?review=due", "?status__exact=draft", "?waiting=any"],
    "rag_job": ["", "?kind=scan", "?page=9"],
    "console_auditevent": ["", "?verb=deleted", "?kind=auth.user", "?p=9"],
}


@pytest.fixture
def much(db: None) -> None:
    generation = Generation.objects.create(collection="c", recipe="r", model="m", dimension=3, state="live")
    with connection.cursor() as cursor:
        for sql in CONTENT:
            cursor.execute(sql.format(each=EACH, generation=generation.pk))


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for below in plan.get("Plans", ()):
        yield from scans(below)


def counts(sql: str) -> bool:
    """A sum over all rows has to read them; what is listed is what this is about."""
    return any(word in sql for word in ("COUNT(", "DISTINCT", "SUM(", "MAX("))


class Read:
    """How many rows of each table the statements so far have read, found or thrown away."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and not counts(sql):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                self._add(cursor.fetchone()[0][0]["Plan"])
        return execute(sql, params, many, context)

    def _add(self, plan: dict[str, Any]) -> None:
        for scan in scans(plan):
            thrown = scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
            self.rows[scan["Relation Name"]] += (scan["Actual Rows"] + thrown) * scan["Actual Loops"]


def test_no_list_reads_more_than_it_shows_and_a_little(client: Client, operator: User, much: None) -> None:
    client.force_login(operator)
    middle = Receipt.objects.order_by("-created_at")[EACH // 2]
    group = Receipt.objects.filter(miss=True)[0].missed.group_id  # type: ignore[union-attr]  # each miss is grouped
    mark = quote(f"{middle.created_at.isoformat()}_{middle.pk}")
    greedy: dict[str, int] = {}
    idle = []
    for name, queries in LISTS.items():
        for query in queries:
            read, address = Read(), reverse(f"admin:{name}_changelist") + query.format(mark=mark, group=group)
            with connection.execute_wrapper(read):
                assert client.get(address).status_code in {200, 302}
            greedy |= {f"{address}: {table}": n for table, n in read.rows.items() if table in LARGE and n > ENOUGH}
            if name not in read.rows:
                idle.append(address)
    assert greedy == {}
    assert idle == []
