"""Gunicorn by our configuration: how many workers it would start, when it loads the code, and how it ends."""

from __future__ import annotations

import psutil  # type: ignore[import-untyped]  # it brings no types

from tests.deploy.conftest import Site

CONFIGURED = """
import os
from pathlib import Path
from console.start import capacity
capacity.workers.__defaults__ = (Path(root),)
os.sched_getaffinity = lambda _: set(range(allowed))
import console.gunicorn as configured
from gunicorn.util import load_class
from gunicorn.workers.gthread import ThreadWorker
threaded = issubclass(load_class(configured.worker_class), ThreadWorker)
result = [configured.workers, threaded, configured.preload_app]
"""
LOADED = """
import os, sys, types
sys.argv = ["gunicorn", "--config", "python:console.gunicorn"]
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
module = types.ModuleType("console.wsgi")
loaded = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "console.wsgi":
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module):
        loaded.append(os.getpid())
        module.application = lambda environ, start: []
sys.meta_path.insert(0, Finder())
arbiter = Arbiter(WSGIApplication())
result = [loaded, os.getpid(), arbiter.num_workers]
"""
# The arbiter with workers, an application that takes its time, and a child that asks, sends the signal, and asks again.
SHUT = """
import django
django.setup()
import os, signal, socket, sys, threading, time, types
sys.argv = ["gunicorn", "--config", "python:console.gunicorn"]
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
import console.gunicorn as configured
from console import warm_up
warm_up.before_the_fork = warm_up.in_web_process = lambda: None
module = types.ModuleType("console.wsgi")
begun_read, begun_write = os.pipe()
def application(environ, start):
    os.write(begun_write, b".")
    time.sleep(float(environ["QUERY_STRING"]))
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
module.application = application
sys.modules["console.wsgi"] = module
def connected():
    while True:
        try:
            return socket.create_connection(("127.0.0.1", configured.environment.PORT), timeout=30)
        except OSError:
            time.sleep(0.01)
def ask(seconds, answers):
    asking, answer = connected(), b""
    asking.sendall(f"GET /?{seconds} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
    while part := asking.recv(4096):
        answer += part
    answers.append(answer.endswith(b"done"))
def visit():
    answers = []
    threads = [threading.Thread(target=ask, args=(one, answers)) for one in durations]
    for thread in threads: thread.start()
    for thread in threads: os.read(begun_read, 1)  # all of them are in hand
    os.kill(master, by)
    for thread in threads: thread.join()
    print("ANSWERED", answers.count(True), "OF", len(durations), flush=True)
    os._exit(0)
master = os.getpid()
if os.fork() == 0:
    visit()
Arbiter(WSGIApplication()).run()
"""


def processes(site: Site) -> list[psutil.Process]:
    """Gunicorn's master before the site, and its workers."""
    (master,) = [
        one
        for one in psutil.Process().children()
        if "gunicorn" in " ".join(one.cmdline()) and str(site.tree) == one.cwd()
    ]
    return [master, *master.children()]
