"""Validates the exchanges of one service in a transcript of the lab against an OpenAPI 3.0 description.

    openapi.py DESCRIPTION SERVICE PREFIX TRANSCRIPT [CLIENT]

PREFIX is what the service's paths have before those of the description; what CLIENT, or the
description by that name, is known to get wrong is told as `faults` instead of as problems. Prints one JSON object: `answered`, the
operations that were answered with success at least once as `service:operation`; `problems`, everything that a
request or an answer has and the description doesn't: paths, parameters, statuses, types, enumerations, patterns,
formats, required members, and members that no schema names.
"""

import collections
import json
import re
import sys
import urllib.parse

import yaml
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4

BASE = "urn:description"

# What clients and descriptions get wrong: the problem, as a pattern, and the reason.
FAULTS = {
    "1password-connect": {
        r"request\[\d+\]\['value'\]: .* is not of type 'object'": "the description has every value of a change as an object, and its "
        "own examples set attributes to strings and truth values",
    },
    "onepasswordconnectsdk": {
        r"request: the description has no member trashed": "sends the member trashed, which items had in versions of the "
        "API before this description",
        r"request\['(createdAt|updatedAt)'\]: Tried to write read-only property": "sends back the times that it has read, "
        "which are read-only",
    },
}


class Description:
    """An OpenAPI description, and where its operations are."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file) if path.endswith(".json") else yaml.safe_load(file)
        self.document = _plain(document)
        self.registry = Registry().with_resource(BASE, DRAFT4.create_resource(self.document))
        self.routes = collections.defaultdict(list)
        for template, item in self.document["paths"].items():
            for method, operation in item.items():
                if method in ("get", "put", "post", "patch", "delete"):
                    parameters = item.get("parameters", []) + operation.get("parameters", [])
                    parameters = [self.resolve(parameter) for parameter in parameters]
                    pattern = _pattern(template, parameters)
                    # The fewer parameters a path has, and the more besides, the more exactly it is meant.
                    rank = template.count("{"), -len(template)
                    self.routes[method.upper()].append((rank, pattern, operation, parameters))
        for routes in self.routes.values():
            routes.sort(key=lambda route: route[0])

    def find(self, method, path):
        """The operation of a request with its parameters, and what its path has for them."""
        for _, (pattern, names), operation, parameters in self.routes[method]:
            found = pattern.fullmatch(path)
            if found:
                values = map(urllib.parse.unquote, found.groups())
                return operation, parameters, dict(zip(names, values))
        return None

    def resolve(self, node):
        """What a node refers to."""
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def check(self, schema, value, place, problems, is_request):
        """Adds what is wrong with a value."""
        kind = OAS30WriteValidator if is_request else OAS30ReadValidator
        # References are relative to the whole description.
        validator = kind(
            _absolute(schema), registry=self.registry, format_checker=oas30_format_checker
        )
        before = len(problems)
        for error in validator.iter_errors(value):
            at = "".join(f"[{part!r}]" for part in error.absolute_path)
            problems.append(f"{place}{at}: {error.message}")
        if len(problems) == before:
            self._unknown(schema, value, place, problems)

    def _unknown(self, schema, value, place, problems):
        """Adds the members that no schema names, where a schema names any."""
        schema = self.resolve(schema)
        if isinstance(value, list):
            items = [branch["items"] for branch in self._branches(schema, value) if "items" in branch]
            for index, item in enumerate(value):
                for of in items:
                    self._unknown(of, item, f"{place}[{index}]", problems)
        if not isinstance(value, dict):
            return
        named, is_open = {}, False
        for branch in self._branches(schema, value):
            named.update(branch.get("properties", {}))
            # GitHub says of much that more may come; only a schema for it, or none at all, makes it so.
            more = branch.get("additionalProperties")
            is_open = is_open or isinstance(more, dict) or "properties" not in branch and branch.get("type") == "object"
        for name, member in value.items():
            if name in named:
                self._unknown(named[name], member, f"{place}.{name}", problems)
            elif named and not is_open:
                problems.append(f"{place}: the description has no member {name}")

    def _branches(self, schema, value):
        """The schemas that a value has to be of, or may be."""
        schema = self.resolve(schema)
        found = [schema]
        for word in ("allOf", "anyOf", "oneOf"):
            for branch in schema.get(word, []):
                validator = OAS30ReadValidator(_absolute(branch), registry=self.registry)
                if word == "allOf" or validator.is_valid(value):
                    found += self._branches(branch, value)
        return found


def _pattern(template, parameters):
    """What the paths of a template look like, and the names of what stands in its braces."""
    # GitHub's own word for parameters that may hold slashes, as names of branches do.
    many = {one["name"] for one in parameters if one["in"] == "path" and one.get("x-multi-segment")}
    names, pattern = [], ""
    for part in re.split(r"(\{[^}]*\})", template):
        if part.startswith("{"):
            names.append(part.strip("{}"))
            pattern += "(.+)" if names[-1] in many else "([^/]+)"
        else:
            pattern += re.escape(part)
    return re.compile(pattern), names


def _plain(node):
    """The same with null among the alternatives of what is nullable and has no type of its own, and without
    discriminators, which only hasten what the alternatives say.

    By OpenAPI 3.0.3's letter `nullable` says nothing there; whoever writes it means it.
    """
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: _plain(value) for key, value in node.items()}
    if "propertyName" in node.get("discriminator", ""):
        del node["discriminator"]
    if node.get("nullable") is True and "type" not in node:
        for word in ("anyOf", "oneOf"):
            if word in node:
                node[word] = [*node[word], {"enum": [None]}]
    return node


def _absolute(schema):
    if isinstance(schema, dict):
        return {
            key: BASE + value if key == "$ref" and isinstance(value, str) else _absolute(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_absolute(one) for one in schema]
    return schema


class Checker:
    """Checks exchanges one by one, and keeps what it found."""

    def __init__(self, description, service, prefix, client=None):
        self.description, self.service, self.prefix = description, service, prefix
        self.known = FAULTS.get(client, {})
        self.answered, self.faults, self.problems = set(), set(), []

    def check(self, exchange):
        if exchange["service"] != self.service:
            return
        if exchange["operation"] == "graphql":
            # No OpenAPI description has it; graphql.mjs holds it to GitHub's schema.
            return
        request, response = exchange["request"], exchange["response"]
        target = request["target"].removeprefix(self.prefix)
        path, _, query = target.partition("?")
        found = self.description.find(request["method"], path)
        if found is None:
            self.problems.append(f"the description has no {request['method']} {path}")
            return
        operation, parameters, labels = found
        told = f"{self.service} {operation['operationId']}"
        named = exchange["operation"]
        if named != operation["operationId"]:
            self.problems.append(f"{told}: the lab takes it for {named!r}")
        problems = []
        self._parameters(parameters, labels, query, problems)
        self._body(operation, request, problems)
        if response is not None:
            self._answer(operation, response, problems)
            if response["status"] < 400:
                self.answered.add(f"{self.service}:{operation['operationId']}")
        for problem in problems:
            reasons = [reason for pattern, reason in self.known.items() if re.match(pattern, problem)]
            self.faults.update(reasons)
            if not reasons:
                self.problems.append(f"{told} {problem}")

    def _parameters(self, parameters, labels, query, problems):
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        known = set()
        for parameter in parameters:
            name, where, schema = parameter["name"], parameter["in"], parameter.get("schema", {})
            if where == "path":
                values = [labels[name]]
            elif where == "query":
                known.add(name)
                values = [value for key, value in pairs if key == name]
                if parameter.get("required") and not values:
                    problems.append(f"request: required parameter {name} is missing")
            else:
                continue
            for value in values:
                value = _typed(self.description.resolve(schema), value)
                self.description.check(schema, value, f"request: parameter {name}", problems, True)
        for key, _ in pairs:
            if key not in known:
                problems.append(f"request: the description has no parameter {key}")

    def _body(self, operation, request, problems):
        wanted = self.description.resolve(operation.get("requestBody", {}))
        if not request["body"]:
            if wanted.get("required"):
                problems.append("request: the body is missing")
            return
        content = wanted.get("content", {})
        if not content:
            problems.append("request: the description has no body")
            return
        self._content(content, request, "request", problems, True)

    def _answer(self, operation, response, problems):
        documented = operation["responses"]
        wanted = documented.get(str(response["status"]), documented.get("default"))
        if wanted is None:
            problems.append(f"answer: status {response['status']} is none of {sorted(documented)}")
            return
        content = self.description.resolve(wanted).get("content", {})
        if content:
            self._content(content, response, "answer", problems, False)
        elif response["body"]:
            problems.append(f"answer: the description has no body for {response['status']}")

    def _content(self, content, message, told, problems, is_request):
        headers = {name.lower(): value for name, value in message["headers"]}
        kind = headers.get("content-type", "").partition(";")[0]
        media = content.get(kind)
        if media is None:
            problems.append(f"{told}: content-type {kind!r} is none of {sorted(content)}")
            return
        body = message["body"]
        if kind.endswith("json"):
            try:
                body = json.loads(body)
            except ValueError as error:
                problems.append(f"{told}: the body isn't JSON: {error}")
                return
        self.description.check(media.get("schema", {}), body, told, problems, is_request)


def _typed(schema, text):
    """The value of a parameter that stands as text in a URL."""
    kind = schema.get("type")
    if kind == "integer" and text.lstrip("-").isdigit():
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def main():
    description, service, prefix, transcript, *client = sys.argv[1:]
    checker = Checker(Description(description), service, prefix, *client)
    with open(transcript, encoding="utf-8") as lines:
        for line in lines:
            checker.check(json.loads(line))
    problems = collections.Counter(checker.problems)
    json.dump(
        {
            "answered": sorted(checker.answered),
            "faults": sorted(checker.faults),
            "known_faults": sorted(checker.known.values()),
            "problems": [f"{problem} ({count} times)" if count > 1 else problem for problem, count in problems.items()],
        },
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
