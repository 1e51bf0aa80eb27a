"""Reads one framed value as Confluent's own deserializers do; prints it as JSON."""

import base64
import importlib
import json
import pathlib
import sys
import tempfile

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

task = json.load(sys.stdin)
value = bytes.fromhex(task["value"])
context = SerializationContext("any", MessageField.VALUE)
if task["message"]:
    from google.protobuf.json_format import MessageToDict
    from grpc_tools import protoc

    source, made = (pathlib.Path(tempfile.mkdtemp()) for _ in range(2))
    for name, text in task["files"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    known = str(importlib.resources.files("grpc_tools") / "_proto")
    # Confluent's own files are classes of the client's already.
    names = [name for name, _ in task["files"] if not name.startswith("confluent/")]
    for part in ("", ".meta_pb2", ".type", ".type.decimal_pb2"):
        sys.modules["confluent" + part] = importlib.import_module("confluent_kafka.schema_registry.confluent" + part)
    assert protoc.main(["protoc", f"-I{source}", f"-I{known}", f"--python_out={made}", *names]) == 0
    sys.path.insert(0, str(made))
    module = importlib.import_module(names[-1].removesuffix(".proto").replace("/", ".") + "_pb2")
    message = getattr(module, task["message"].rsplit(".", 1)[-1])
    read = MessageToDict(ProtobufDeserializer(message, {"use.deprecated.format": False})(value, context))
else:
    client = SchemaRegistryClient({"url": task["url"]})
    kind = client.get_schema(int.from_bytes(value[1:5], "big")).schema_type
    by_avro = kind in (None, "", "AVRO")
    read = (AvroDeserializer(client) if by_avro else JSONDeserializer(None, schema_registry_client=client))(value, context)


def plain(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


json.dump(read, sys.stdout, default=plain)
