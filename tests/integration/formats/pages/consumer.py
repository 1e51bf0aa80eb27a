"""Runs a page's piece of Python where its files are, with `message` as confluent_kafka's Consumer returns it."""

import contextlib
import io
import json
import os
import sys

task = json.load(sys.stdin)
os.chdir(task["directory"])
sys.path.insert(0, task["directory"])
sys.dont_write_bytecode = True


def read(text):
    return None if text is None else bytes.fromhex(text)


class Message:
    def topic(self):
        return task["topic"]

    def key(self):
        return read(task["key"])

    def value(self):
        return read(task["value"])

    def headers(self):
        return [(name, read(value)) for name, value in task["headers"]]


printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    exec(compile(task["script"], "the page", "exec"), {"message": Message()})
json.dump(printed.getvalue(), sys.stdout)
