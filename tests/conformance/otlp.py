"""Reads the exports of traces in a transcript of the lab by OpenTelemetry's own Protobuf messages.

    otlp.py TRANSCRIPT

Prints one JSON object, as the other validators do. Protobuf's JSON has bytes in base64, OTLP's has the ids of traces and
spans in hexadecimal ("OTLP/HTTP", "JSON Protobuf Encoding"); that is the one difference that is made up for.
"""

import base64
import collections
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def in_base64(node, problems):
    """The same with ids as Protobuf's JSON has them."""
    if isinstance(node, list):
        return [in_base64(one, problems) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: _id(key, value, problems) if key in LENGTHS else in_base64(value, problems) for key, value in node.items()}


def _id(key, value, problems):
    try:
        read = bytes.fromhex(value)
    except ValueError:
        problems.append(f"request: {key} {value!r} isn't hexadecimal")
        return ""
    if len(read) not in ((0, LENGTHS[key]) if key == "parentSpanId" else (LENGTHS[key],)):
        problems.append(f"request: {key} {value!r} has {len(read)} bytes")
    return base64.b64encode(read).decode()


def _read(kind, body, told, problems):
    """A message; members that it doesn't have, and numbers for enumerations that aren't theirs, are problems."""
    message = kind()
    try:
        json_format.ParseDict(body, message)
    except json_format.ParseError as error:
        problems.append(f"{told}: {error}")
    return message


def sense(request, problems):
    """What the messages' own comments ask for besides their types."""
    for resource in request.resource_spans:
        named = {one.key for one in resource.resource.attributes}
        if "service.name" not in named:
            problems.append("request: a resource has no service.name")
        spans = [span for scope in resource.scope_spans for span in scope.spans]
        if not spans:
            problems.append("request: a resource has no spans")
        for span in spans:
            if not span.name:
                problems.append("request: a span has no name")
            if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
                problems.append(f"request: span {span.name} ends before it starts")
            keys = [one.key for one in span.attributes]
            if len(keys) != len(set(keys)):
                problems.append(f"request: span {span.name} has an attribute twice")


def check(exchange, problems):
    request, response = exchange["request"], exchange["response"]
    kinds = [value for name, value in request["headers"] if name.lower() == "content-type"]
    if kinds != ["application/json"]:
        problems.append(f"request: content-type is {kinds}")
    body = in_base64(json.loads(request["body"]), problems)
    sense(_read(ExportTraceServiceRequest, body, "request", problems), problems)
    if response["status"] == 200:
        _read(ExportTraceServiceResponse, json.loads(response["body"]), "answer", problems)


def main():
    answered, problems = set(), []
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            exchange = json.loads(line)
            if exchange["service"] == "otlp":
                check(exchange, problems)
                if exchange["response"]["status"] == 200:
                    answered.add(f"otlp:{exchange['operation']}")
    told = collections.Counter(problems)
    told = [f"{problem} ({count} times)" if count > 1 else problem for problem, count in told.items()]
    json.dump({"answered": sorted(answered), "faults": [], "known_faults": [], "problems": told}, sys.stdout)


if __name__ == "__main__":
    main()
