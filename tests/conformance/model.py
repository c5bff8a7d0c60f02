"""Checks values against the shapes of botocore's service models, more strictly than botocore itself does.

botocore's own validation looks at a request's types and required members and is lenient about answers, so that
old clients understand new services. Here nothing is lenient: a member that the model doesn't have, a value that is
none of an enumeration's, a length or a pattern that doesn't hold is a problem, in requests and in answers.
"""

import base64
import binascii
import datetime
import functools

import regex

# What botocore's models get wrong about answers: service, shape, the rule that doesn't hold, and why.
FAULTS = {
    ("iam", "PermissionsBoundaryAttachmentType", "values"): "IAM answers Policy, as its API reference says of the type "
    "AttachedPermissionsBoundary; the model has PermissionsBoundaryPolicy alone",
    ("elasticfilesystem", "TagKey", "pattern"): "the pattern is for tags that callers give; EFS itself tags a file system "
    "that is backed up with aws:elasticfilesystem:default-backup, as its User Guide says",
    ("eks", "TagMap", "least"): "EKS answers tags {} for what has none, as the examples of its API reference show; a "
    "request must not",
}


class Findings:
    """What is wrong with one request or answer."""

    def __init__(self, service, of_answer):
        self.service, self.of_answer = service, of_answer
        self.problems, self.excused = [], set()

    def append(self, problem):
        """Adds a problem."""
        self.problems.append(problem)

    def breaks(self, shape, rule, problem):
        """Adds a problem, unless the rule is one that the model gets wrong."""
        broken = (self.service, shape.name, rule)
        if self.of_answer and broken in FAULTS:
            self.excused.add(broken)
        else:
            self.append(problem)


def check(shape, value, place, problems):
    """Adds what is wrong with a value that was read from a request or an answer."""
    kind = {
        "structure": _structure,
        "list": _list,
        "map": _map,
        "string": _string,
        "character": _string,
        "integer": _integer,
        "long": _integer,
        "float": _number,
        "double": _number,
        "boolean": _boolean,
        "timestamp": _timestamp,
        "blob": _blob,
    }[shape.type_name]
    kind(shape, value, place, problems)


def _is(value, kinds, place, problems, wanted):
    # A boolean is an int in Python, but none on the wire.
    if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
        return True
    problems.append(f"{place}: {wanted} expected, found {value!r}")
    return False


def _structure(shape, value, place, problems):
    if shape.is_document_type:
        return
    if not _is(value, (dict,), place, problems, "a structure"):
        return
    for name in shape.required_members:
        if name not in value:
            problems.append(f"{place}: required member {name} is missing")
    if shape.is_tagged_union and len(value) != 1:
        problems.append(f"{place}: a union of which one member is expected, found {sorted(value)}")
    for name, member in value.items():
        if name not in shape.members:
            problems.append(f"{place}: the model has no member {name}")
        else:
            check(shape.members[name], member, f"{place}.{name}", problems)


def _list(shape, value, place, problems):
    if not _is(value, (list,), place, problems, "a list"):
        return
    _size(shape, len(value), place, problems, "items")
    for index, item in enumerate(value):
        check(shape.member, item, f"{place}[{index}]", problems)


def _map(shape, value, place, problems):
    if not _is(value, (dict,), place, problems, "a map"):
        return
    _size(shape, len(value), place, problems, "entries")
    for key, item in value.items():
        check(shape.key, key, f"{place} key {key}", problems)
        check(shape.value, item, f"{place}[{key}]", problems)


def _string(shape, value, place, problems):
    if not _is(value, (str,), place, problems, "a string"):
        return
    _size(shape, len(value), place, problems, "characters")
    if shape.enum and value not in shape.enum:
        problems.breaks(shape, "values", f"{place}: {value!r} is none of the {len(shape.enum)} values of {shape.name}")
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        problems.breaks(shape, "pattern", f"{place}: {value!r} doesn't match {shape.name}'s pattern {pattern}")


@functools.lru_cache(None)
def _pattern(pattern):
    # The models' patterns are Java's, in which \p{} is the Unicode database's.
    return regex.compile(pattern, regex.DOTALL)


def _integer(shape, value, place, problems):
    if _is(value, (int,), place, problems, "an integer"):
        _range(shape, value, place, problems)


def _number(shape, value, place, problems):
    if _is(value, (int, float), place, problems, "a number"):
        _range(shape, value, place, problems)


def _boolean(shape, value, place, problems):
    _is(value, (bool,), place, problems, "a boolean")


def _timestamp(shape, value, place, problems):
    _is(value, (datetime.datetime,), place, problems, "a timestamp")


def _blob(shape, value, place, problems):
    if _is(value, (bytes,), place, problems, "a blob"):
        _size(shape, len(value), place, problems, "bytes")


def _size(shape, size, place, problems, what):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        problems.breaks(shape, "least", f"{place}: {size} {what}, fewer than {shape.name}'s least {least}")
    if most is not None and size > most:
        problems.breaks(shape, "most", f"{place}: {size} {what}, more than {shape.name}'s most {most}")


def _range(shape, value, place, problems):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        problems.append(f"{place}: {value} is less than {shape.name}'s least {least}")
    if most is not None and value > most:
        problems.append(f"{place}: {value} is more than {shape.name}'s most {most}")


def from_text(shape, text, place, problems):
    """The value of a scalar that stands somewhere as text: in XML, a form, a path, a query or a header."""
    kind = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text]
        if kind == "timestamp":
            return from_iso(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
    except (ValueError, KeyError, binascii.Error):
        problems.append(f"{place}: {text!r} isn't a {kind}")
        return None
    return text


def from_iso(text):
    """A time as ISO 8601 in UTC writes it."""
    if not text.endswith("Z"):
        raise ValueError(text)
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00")


def from_json(shape, value, place, problems):
    """The value of a shape as the JSON protocols write it, by the model's names for its members.

    What has another type than the model says is left as it is; `check` says so.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        read = {}
        for key, item in value.items():
            name = names.get(key)
            if name is None:
                problems.append(f"{place}: the model has no member {key}")
            else:
                read[name] = from_json(shape.members[name], item, f"{place}.{key}", problems)
        return read
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item, f"{place}[{index}]", problems) for index, item in enumerate(value)]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, item, f"{place}[{key}]", problems) for key, item in value.items()}
    if kind == "timestamp":
        return _json_time(shape, value)
    if kind == "blob" and isinstance(value, str):
        return from_text(shape, value, place, problems)
    return value


def _json_time(shape, value):
    # Seconds since the epoch, unless the model says otherwise.
    if shape.serialization.get("timestampFormat", "unixTimestamp") == "unixTimestamp":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
        return value
    try:
        return from_iso(value)
    except (ValueError, AttributeError):
        return value
