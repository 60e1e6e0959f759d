"""Services that come one after the other, on a clock that does not keep the tests waiting."""

from __future__ import annotations

from hypothesis import strategies as st

Arrival = dict[str, float]

seconds = st.integers(0, 1_600).map(lambda tenths: tenths / 10)
arrivals = st.fixed_dictionaries({"database": seconds, "redis": seconds, "store": seconds})

# Put into the entrypoint before it runs: the clock, when each service begins to answer, and what is told of queries.
TIMED = """
class Clock:
    now = 0.0
    def monotonic(self): return self.now
    def sleep(self, seconds): self.now += seconds
clock, arrival = Clock(), {arrival}
waiting.time = clock
waiting.SERVICE_SECONDS = 5.0
really = waiting._database
def database(): return really() if clock.now >= arrival["database"] else "nothing listens there"
waiting._database = database
def reached(host, port):
    return None if clock.now >= arrival["redis" if port != 1 else "store"] else "nothing listens there"
waiting._socket = reached
from django.db.backends.postgresql.base import DatabaseWrapper
connect = DatabaseWrapper.get_new_connection
def told(self, parameters):
    print("QUERY AT", clock.now)
    return connect(self, parameters)
DatabaseWrapper.get_new_connection = told
turn = os.execv
def ready(program, command):
    print("READY AFTER", clock.now)
    turn(program, command)
os.execv = ready
"""
