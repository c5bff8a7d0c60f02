"""Reads AWS's requests and answers off the wire, by botocore's service models: the server's half of the protocols.

botocore has only the client's half. What a request or an answer holds beyond its model is a problem.
"""

import json
import urllib.parse
import xml.etree.ElementTree as ET

from model import from_json, from_text


def read_request(operation, request, problems):
    """The parameters of a request, by the model's names."""
    protocol = operation.service_model.metadata["protocol"]
    reader = {"json": _json_request, "rest-json": _rest_request, "query": _query_request, "ec2": _ec2_request}
    return reader[protocol](operation, request, problems)


def read_answer(operation, response, problems):
    """What an operation answered, by the model's names."""
    protocol = operation.service_model.metadata["protocol"]
    expected = operation.http.get("responseCode", 200)
    if response["status"] != expected:
        problems.append(f"status {response['status']}, the model says {expected}")
    reader = {"json": _json_answer, "rest-json": _rest_answer, "query": _query_answer, "ec2": _ec2_answer}
    return reader[protocol](operation, response, problems)


def read_error(operation, response, problems):
    """The code of an error, and its members by their names on the wire."""
    protocol = operation.service_model.metadata["protocol"]
    reader = {"json": _json_error, "rest-json": _rest_error, "query": _query_error, "ec2": _ec2_error}
    return reader[protocol](operation, response, problems)


def headers(message):
    """A message's headers by their names in lower case."""
    return {name.lower(): value for name, value in message["headers"]}


# JSON


def _json_request(operation, request, problems):
    model = operation.service_model
    _expect("method", request["method"], "POST", problems)
    _expect("path", request["target"], "/", problems)
    sent = headers(request)
    target = f"{model.metadata['targetPrefix']}.{operation.name}"
    _expect("x-amz-target", sent.get("x-amz-target"), target, problems)
    _expect("content-type", sent.get("content-type"), _json_type(model), problems)
    return from_json(operation.input_shape, _parsed(request["body"], problems), "", problems)


def _json_answer(operation, response, problems):
    _expect("content-type", headers(response).get("content-type"), _json_type(operation.service_model), problems)
    if operation.output_shape is None:
        # Some services send nothing, others an empty object.
        if response["body"] not in ("", "{}"):
            problems.append(f"the model has no output, found {response['body']!r}")
        return None
    return from_json(operation.output_shape, _parsed(response["body"], problems), "", problems)


def _json_error(operation, response, problems):
    model = operation.service_model
    _expect("content-type", headers(response).get("content-type"), _json_type(model), problems)
    body = _parsed(response["body"], problems)
    kind = body.pop("__type", None)
    if not isinstance(kind, str):
        problems.append("an error without __type")
        return "", body
    code = kind.rsplit("#", 1)[-1]
    if "awsQueryCompatible" in model.metadata:
        # Smithy, "awsQueryCompatible trait": a header tells the code that the error had before, and whose fault it is.
        fault = "Receiver" if response["status"] >= 500 else "Sender"
        old = headers(response).get("x-amzn-query-error", "").split(";")
        _expect("x-amzn-query-error's fault", old[-1], fault, problems)
    return code, body


def _json_type(model):
    return f"application/x-amz-json-{model.metadata['jsonVersion']}"


def _parsed(body, problems):
    try:
        return json.loads(body or "{}")
    except ValueError as error:
        problems.append(f"the body isn't JSON: {error}")
        return {}


# REST JSON


def _rest_request(operation, request, problems):
    _expect("method", request["method"], operation.http["method"], problems)
    path, _, query = request["target"].partition("?")
    shape = operation.input_shape
    members = shape.members if shape else {}
    read, body_names = {}, []
    labels = _labels(operation.http["requestUri"].partition("?")[0], path, problems)
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    sent = headers(request)
    known = set()
    for name, member in members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri":
            if wire in labels:
                read[name] = from_text(member, labels[wire], name, problems)
        elif location == "querystring":
            known.add(wire)
            values = [value for key, value in pairs if key == wire]
            if member.type_name == "list" and values:
                read[name] = [from_text(member.member, value, name, problems) for value in values]
            elif values:
                read[name] = from_text(member, values[0], name, problems)
                if len(values) > 1:
                    problems.append(f"{name} stands {len(values)} times in the query")
        elif location == "header":
            if wire.lower() in sent:
                read[name] = from_text(member, sent[wire.lower()], name, problems)
        else:
            body_names.append(name)
    for key, _ in pairs:
        if key not in known:
            problems.append(f"the model has no query parameter {key}")
    if request["body"]:
        if not body_names:
            problems.append(f"the model has no body, found {request['body']!r}")
        body = _parsed(request["body"], problems)
        _expect("content-type", sent.get("content-type"), "application/json", problems)
        from_body = from_json(shape, body, "", problems)
        for name in from_body.keys() - set(body_names):
            problems.append(f"{name} stands in the body, the model has it elsewhere")
        read.update(from_body)
    return read


def _labels(template, path, problems):
    wanted, found = template.strip("/").split("/"), path.strip("/").split("/")
    labels = {}
    if len(wanted) != len(found):
        problems.append(f"path {path}, the model says {template}")
        return labels
    for part, segment in zip(wanted, found):
        if part.startswith("{"):
            labels[part.strip("{}")] = urllib.parse.unquote(segment)
        elif part != segment:
            problems.append(f"path {path}, the model says {template}")
    return labels


def _rest_answer(operation, response, problems):
    shape, body = operation.output_shape, response["body"]
    if shape is None or not shape.members:
        if body not in ("", "{}"):
            problems.append(f"the model has no output, found {body!r}")
        return {} if shape else None
    payload = shape.serialization.get("payload")
    _expect("content-type", headers(response).get("content-type"), "application/json", problems)
    parsed = _parsed(body, problems)
    if payload:
        return {payload: from_json(shape.members[payload], parsed, payload, problems)}
    return from_json(shape, parsed, "", problems)


def _rest_error(operation, response, problems):
    _expect("content-type", headers(response).get("content-type"), "application/json", problems)
    code = headers(response).get("x-amzn-errortype")
    if not code:
        problems.append("an error without x-amzn-errortype")
    return code or "", _parsed(response["body"], problems)


# Query, and EC2's dialect of it


def _form(operation, request, problems):
    _expect("method", request["method"], "POST", problems)
    _expect("path", request["target"], "/", problems)
    kind = headers(request).get("content-type", "").partition(";")[0]
    _expect("content-type", kind, "application/x-www-form-urlencoded", problems)
    form = dict(urllib.parse.parse_qsl(request["body"], keep_blank_values=True))
    _expect("Action", form.pop("Action", None), operation.name, problems)
    _expect("Version", form.pop("Version", None), operation.service_model.metadata["apiVersion"], problems)
    return form


class _FormReader:
    """Reads the members of shapes out of a form, and keeps in mind which keys were read."""

    def __init__(self, form, is_ec2, problems):
        self.form, self.is_ec2, self.problems = form, is_ec2, problems
        self.read = set()

    def has(self, prefix):
        return any(key == prefix or key.startswith(prefix + ".") for key in self.form)

    def structure(self, shape, prefix):
        read = {}
        for name, member in shape.members.items():
            at = f"{prefix}.{self.name(member, name)}" if prefix else self.name(member, name)
            if self.has(at):
                read[name] = self.value(member, at)
        return read

    def name(self, member, name):
        serialization = member.serialization
        if self.is_ec2:
            wire = serialization.get("queryName")
            if wire is None and "name" in serialization:
                wire = serialization["name"][0].upper() + serialization["name"][1:]
            return wire or name[0].upper() + name[1:]
        return serialization.get("name", name)

    def value(self, shape, at):
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, at)
        if kind == "list":
            return self.list(shape, at)
        if kind == "map":
            return self.map(shape, at)
        self.read.add(at)
        return from_text(shape, self.form.get(at, ""), at, self.problems)

    def list(self, shape, at):
        if self.form.get(at) == "":
            # How an empty list is sent.
            self.read.add(at)
            return []
        if not self.is_ec2 and not shape.serialization.get("flattened"):
            at = f"{at}.{shape.member.serialization.get('name', 'member')}"
        items, number = [], 1
        while self.has(f"{at}.{number}"):
            items.append(self.value(shape.member, f"{at}.{number}"))
            number += 1
        return items

    def map(self, shape, at):
        if not shape.serialization.get("flattened"):
            at = f"{at}.entry"
        key, value = (part.serialization.get("name", name) for part, name in ((shape.key, "key"), (shape.value, "value")))
        entries, number = {}, 1
        while self.has(f"{at}.{number}"):
            entry = self.value(shape.key, f"{at}.{number}.{key}")
            entries[entry] = self.value(shape.value, f"{at}.{number}.{value}")
            number += 1
        return entries


def _form_request(operation, request, is_ec2, problems):
    form = _form(operation, request, problems)
    reader = _FormReader(form, is_ec2, problems)
    read = reader.structure(operation.input_shape, "") if operation.input_shape else {}
    for key in form.keys() - reader.read:
        problems.append(f"the model has no parameter {key}")
    return read


def _query_request(operation, request, problems):
    return _form_request(operation, request, False, problems)


def _ec2_request(operation, request, problems):
    return _form_request(operation, request, True, problems)


def _xml(response, problems):
    _expect("content-type", headers(response).get("content-type"), "text/xml", problems)
    try:
        return ET.fromstring(response["body"])
    except ET.ParseError as error:
        problems.append(f"the body isn't XML: {error}")
        return None


def _plain(tag):
    return tag.rpartition("}")[2]


def _root(root, name, namespace, problems):
    _expect("root element", root.tag, f"{{{namespace}}}{name}" if namespace else name, problems)


def _query_answer(operation, response, problems):
    root = _xml(response, problems)
    if root is None:
        return {}
    _root(root, f"{operation.name}Response", operation.service_model.metadata["xmlNamespace"], problems)
    children = {_plain(child.tag): child for child in root}
    metadata = children.pop("ResponseMetadata", None)
    if metadata is None or [_plain(child.tag) for child in metadata] != ["RequestId"]:
        problems.append("no RequestId in ResponseMetadata")
    shape = operation.output_shape
    read = None
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        result = children.pop(wrapper, None)
        if result is None and shape.members:
            problems.append(f"no {wrapper}")
        read = _from_xml(shape, result, "", problems) if result is not None else {}
    for name in children:
        problems.append(f"the model has no element {name}")
    return read


def _ec2_answer(operation, response, problems):
    root = _xml(response, problems)
    if root is None:
        return {}
    # Model files spell EC2's namespace without the slash that its answers have at the end.
    namespace = operation.service_model.metadata["xmlNamespace"] + "/"
    _root(root, f"{operation.name}Response", namespace, problems)
    request_id = next((child for child in root if _plain(child.tag) == "requestId"), None)
    if request_id is None:
        problems.append("no requestId")
    else:
        root.remove(request_id)
    shape = operation.output_shape
    if shape is None:
        # What has nothing to tell says so: <return>true</return>.
        told = [(_plain(child.tag), child.text) for child in root]
        if told not in ([], [("return", "true")]):
            problems.append(f"the model has no output, found {told}")
        return None
    children = [child for child in root if _plain(child.tag) != "return" or "Return" in shape.members]
    root[:] = children
    return _from_xml(shape, root, "", problems)


def _from_xml(shape, node, place, problems):
    kind = shape.type_name
    if kind == "structure":
        return _structure_from_xml(shape, node, place, problems)
    if kind == "list":
        name = shape.member.serialization.get("name", "member")
        items = []
        for index, child in enumerate(node):
            _expect(f"{place}: element", _plain(child.tag), name, problems)
            items.append(_from_xml(shape.member, child, f"{place}[{index}]", problems))
        return items
    if kind == "map":
        return _map_from_xml(shape, node, place, problems)
    if len(node):
        problems.append(f"{place}: elements in a {kind}")
    return from_text(shape, node.text or "", place, problems)


def _structure_from_xml(shape, node, place, problems):
    names, flattened = {}, {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            wire = member.member.serialization.get("name", wire)
            flattened[wire] = name
        names[wire] = name
    read = {}
    for child in node:
        wire = _plain(child.tag)
        name = names.get(wire)
        if name is None:
            problems.append(f"{place}: the model has no element {wire}")
            continue
        at = f"{place}.{name}"
        if wire in flattened:
            items = read.setdefault(name, [])
            items.append(_from_xml(shape.members[name].member, child, at, problems))
        elif name in read:
            problems.append(f"{at}: stands twice")
        else:
            read[name] = _from_xml(shape.members[name], child, at, problems)
    return read


def _map_from_xml(shape, node, place, problems):
    entries = {}
    for child in node:
        _expect(f"{place}: element", _plain(child.tag), "entry", problems)
        parts = {_plain(part.tag): part for part in child}
        key, value = parts.get("key"), parts.get("value")
        if len(parts) != 2 or key is None or value is None:
            problems.append(f"{place}: an entry of {sorted(parts)}")
            continue
        entries[key.text or ""] = _from_xml(shape.value, value, f"{place}[{key.text}]", problems)
    return entries


def _query_error(operation, response, problems):
    root = _xml(response, problems)
    if root is None:
        return "", {}
    _root(root, "ErrorResponse", operation.service_model.metadata["xmlNamespace"], problems)
    _expect("an error's elements", [_plain(child.tag) for child in root], ["Error", "RequestId"], problems)
    error = {_plain(child.tag): child.text for child in root[0]}
    kind = "Receiver" if response["status"] >= 500 else "Sender"
    _expect("an error's Type", error.pop("Type", None), kind, problems)
    code = error.pop("Code", "")
    _expect("an error's members", sorted(error), ["Message"], problems)
    return code, {"message": error.get("Message")}


def _ec2_error(operation, response, problems):
    root = _xml(response, problems)
    if root is None:
        return "", {}
    _root(root, "Response", None, problems)
    _expect("an error's elements", [_plain(child.tag) for child in root], ["Errors", "RequestID"], problems)
    error = {_plain(child.tag): child.text for child in root[0][0]}
    _expect("an error's members", sorted(error), ["Code", "Message"], problems)
    return error.get("Code", ""), {"message": error.get("Message")}


def _expect(what, found, wanted, problems):
    if found != wanted:
        problems.append(f"{what} is {found!r}, expected {wanted!r}")
