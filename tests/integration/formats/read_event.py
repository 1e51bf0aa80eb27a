"""Reads one Kafka record as the stock SDK does, by its present interface and by the one of its version 1."""

import json
import sys

from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.v1 import kafka as first

task = json.load(sys.stdin)
# Debezium has no content type.
headers = {name: bytes.fromhex(value) for name, value in task["headers"]}
key, value = (None if task[part] is None else bytes.fromhex(task[part]) for part in ("key", "value"))


def told(data):
    return {"hex": data.hex()} if isinstance(data, bytes) else {"data": data}


structured = headers.get("content-type", b"application/cloudevents").startswith(b"application/cloudevents")
read = kafka.from_structured if structured else kafka.from_binary
event = read(kafka.KafkaMessage(headers, key, value), JSONFormat())
guessed = kafka.from_kafka(kafka.KafkaMessage(headers, key, value), JSONFormat())
assert guessed.get_data() == event.get_data()
attributes = {name: str(text) for name, text in event.get_attributes().items()}
answer = {"attributes": attributes, **told(event.get_data())}

# Data of any type is passed through by what it is read with.
read = first.from_structured if structured else first.from_binary
old = read(first.KafkaMessage(headers, key, value), data_unmarshaller=lambda data: data)
for name in ("specversion", "id", "source", "type", "subject"):
    assert old.get(name) == attributes.get(name), name
answer["v1"] = told(old.data)
json.dump(answer, sys.stdout)
