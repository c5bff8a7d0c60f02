"""What changed in Kubernetes between the version that a real server may be of and the one that the lab simulates.

A change names the release that made it, and where that is told: a pull request or an issue of kubernetes/kubernetes
(#…), an enhancement (KEP-…) or a source file. Only with servers from before that is it taken back, so that the lab is
held to all that a current server does. Each takes back as little as it can: what it doesn't know of stays a difference.
"""

import json
import re


class Change:
    """Something that servers do since a version, and how it is taken back in a pair of exchanges."""

    def __init__(self, since, source, what, take_back, is_exact=True):
        self.since, self.source, self.what, self.take_back = since, source, what, take_back
        self.is_exact = is_exact

    def told(self):
        since = f"since Kubernetes 1.{self.since}" + ("" if self.is_exact else " or before")
        return f"{since}, {self.what} ({self.source})"

    def takes_back(self, real, lab):
        """Makes both the same in this, and says whether they differed."""
        before = json.dumps([real, lab])
        self.take_back(real, lab)
        return before != json.dumps([real, lab])


def changes(version):
    """The changes since a version."""
    minor = int(re.match(r"v1\.(\d+)", version).group(1))
    return [change for change in ALL if minor < change.since]


def maps(node):
    """Every map in an answer."""
    if isinstance(node, dict):
        yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from maps(below)


def pairs(real, lab):
    """Every two maps that stand at the same place in both answers."""
    if isinstance(real, dict) and isinstance(lab, dict):
        yield real, lab
        for name in real.keys() & lab.keys():
            yield from pairs(real[name], lab[name])
    elif isinstance(real, list) and isinstance(lab, list) and len(real) == len(lab):
        for one, other in zip(real, lab):
            yield from pairs(one, other)


def owned(node):
    """The fields that each manager has of an object."""
    return [entry["fieldsV1"] for one in maps(node) for entry in one.get("managedFields") or ()]


def drop(fields, *way):
    """Takes a field out of a set, and what there is above it only for it."""
    step, *rest = way
    if step not in fields:
        return
    if rest:
        drop(fields[step], *rest)
    if not rest or not fields[step].keys() - {"."}:
        del fields[step]


def namespace_label(_real, lab):
    label = "kubernetes.io/metadata.name"
    for one in maps(lab["answer"]):
        labels = one.get("labels")
        if isinstance(labels, dict) and labels.get(label, "") == one.get("name"):
            del labels[label]
            if not labels:
                del one["labels"]
    for fields in owned(lab["answer"]):
        drop(fields, "f:metadata", "f:labels", f"f:{label}")


def added(*way):
    """The lab's objects have something that real ones don't have yet."""

    def take_back(real, lab):
        for one, other in pairs(real["answer"], lab["answer"]):
            *above, last = way
            for name in above:
                one, other = one.get(name) or {}, other.get(name) or {}
            if isinstance(one, dict) and isinstance(other, dict) and last not in one:
                other.pop(last, None)
        for fields in owned(lab["answer"]):
            drop(fields, *(f"f:{name}" for name in way))

    return take_back


def reset_fields(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        for entry, same in zip(one.get("managedFields") or (), other.get("managedFields") or ()):
            if "subresource" not in same and entry["operation"] == "Update" and "f:status" not in same["fieldsV1"]:
                entry["fieldsV1"].pop("f:status", None)


def unknown_path(real, lab):
    if lab["answer"] == "404 page not found" and real["status"] == 404 and list(real["answer"]) == ["paths"]:
        real["answer"], real["type"] = lab["answer"], lab["type"]


def singular_names(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        if one.get("singularName") == "" and other.get("singularName") == other.get("kind", "").lower():
            other["singularName"] = ""


def evictions(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        if one.get("name") == "pods/eviction" and (one["version"], other["version"]) == ("v1beta1", "v1"):
            other["version"] = "v1beta1"


def services_as_one(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        if one.get("name") == other.get("name") == "services" and "deletecollection" not in one.get("verbs", ()):
            other["verbs"] = [verb for verb in other["verbs"] if verb != "deletecollection"]


def messages(change):
    """Something in messages, of which `change` makes one's and the other's the same."""

    def take_back(real, lab):
        for one, other in pairs(real["answer"], lab["answer"]):
            if isinstance(one.get("message"), str) and isinstance(other.get("message"), str):
                one["message"], other["message"] = change(one["message"], other["message"])

    return take_back


def too_long(real, lab):
    return real, re.sub(r"(Too long: )may not be more than (\d+ bytes)", r"\1must have at most \2", lab)


# A value as Go writes it, and the same as JSON, before what is wrong with it.
# The group of the custom objects that the scenes define.
OWN = "lab.example.com"

WHAT, END = r"((?:Invalid|Duplicate|Unsupported) value): ", r"(?=: [a-z`]|, (?:spec|status)\.|\]?$)"
IN_GO = re.compile(WHAT + r"(?:\[\]|map\[|v1\.|rbac\.|0x).*?" + END)
AS_JSON = re.compile(WHAT + r"(?:[\[{]|null\b|0\b).*?" + END)


def values_as_json(real, lab):
    if not IN_GO.search(real):
        return real, lab
    return (pattern.sub(r"\1: <value>", text) for pattern, text in ((IN_GO, real), (AS_JSON, lab)))


def label_keys(real, lab):
    return re.sub(r'invalid label key (".*?")', r"<nil>: Invalid value: \1", real), lab


def limits(real, lab):
    return real, re.sub(r"(must be less than or equal to \w+ limit) of [^\s,\]]+", r"\1", lab)


def item_paths(real, lab):
    """Of custom objects, all that is wrong is told in another order where it is told otherwise."""
    if not all(side["status"] == 422 and side["answer"]["details"].get("group") == OWN for side in (real, lab)):
        return
    for answer in (real["answer"], lab["answer"]):
        causes = answer["details"]["causes"]
        before = [f"{cause['field']}: {cause['message']}" for cause in causes]
        for cause in causes:
            if cause["reason"] != "FieldValueDuplicate":
                cause["field"], place = re.subn(r"\[\d+\]", "", cause["field"])
                if place:
                    cause["message"] = re.sub(r"\[\d+\]( in body)", r"\1", cause["message"])
        causes.sort(key=lambda cause: (cause["field"], cause["message"]))
        after = [f"{cause['field']}: {cause['message']}" for cause in causes]
        answer["message"] = answer["message"].replace(", ".join(before), ", ".join(after))


def of_subresources(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        if not any("subresource" in entry for entry in one.get("managedFields") or ()) and "managedFields" in other:
            entries = other["managedFields"]
            other["managedFields"] = [entry for entry in entries if entry.get("subresource") not in ("status", "scale")]


def free_fields(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        if "f:free" in one and "f:free" in other:
            for name, fields in one["f:free"].items():
                if fields == {} and other["f:free"].get(name):
                    other["f:free"][name] = {}


def typed_patch(real, lab):
    lab = re.sub(r"(failed to create typed patch object) \([^)]+\)", r"\1", lab)
    if real.endswith(" got *value.valueUnstructured"):
        lab = re.sub(r"( got )[^ ]+$", r"\1*value.valueUnstructured", lab)
    return real, lab


def warnings(real, lab):
    if "warning" not in real and re.fullmatch(r'299 - "unknown field \\"[^"]+\\""', lab.get("warning", "")):
        del lab["warning"]


def pod_generation(real, lab):
    if all(isinstance(side["answer"], dict) and side["answer"].get("kind") == "Pod" for side in (real, lab)) and "generation" not in real["answer"]["metadata"]:
        lab["answer"]["metadata"].pop("generation", None)


def null_times(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        if "creationTimestamp" in one and one["creationTimestamp"] is None and "creationTimestamp" not in other:
            del one["creationTimestamp"]


def port_protocol(real, lab):
    why = 'omits key field "protocol" (and doesn\'t have default value)'
    if real["status"] == 500 and lab["status"] < 300 and real["answer"]["message"].endswith(why):
        real["status"], real["answer"] = lab["status"], lab["answer"]


def atomic_references(real, _lab):
    for fields in owned(real["answer"]):
        for one in maps(fields):
            for name in ("f:roleRef", "f:fieldRef"):
                if name in one:
                    one[name] = {}


def empty_maps(real, lab):
    for one, other in pairs(real["answer"], lab["answer"]):
        entries = other.get("managedFields") or []
        # An empty map alone is an entry less.
        alone = [entry for entry in entries if entry["operation"] == "Apply" and entry["fieldsV1"] == {"f:data": {}}]
        if alone and len(entries) - len(alone) == len(one.get("managedFields") or []):
            other["managedFields"] = [entry for entry in entries if entry not in alone]


ALL = [
    Change(21, "#96968", "namespaces are labelled with their names", namespace_label),
    Change(22, "#100970, #98377", "what is owned through a subresource is told apart", of_subresources),
    Change(21, "#99661", "nobody owns what is reset before an object is kept", reset_fields),
    Change(21, "#98576", "a service's port that is applied needs no protocol", port_protocol),
    Change(21, "kubernetes-sigs/structured-merge-diff#184", "who applies an empty map owns it", empty_maps),
    Change(21, "KEP-563", "services tell the families of their addresses", added("spec", "ipFamilies")),
    Change(21, "KEP-563", "services tell the policy for the families of their addresses", added("spec", "ipFamilyPolicy")),
    Change(22, "#100684", "references are owned as one value", atomic_references),
    Change(22, "KEP-2086", "services have a policy for traffic from inside", added("spec", "internalTrafficPolicy")),
    Change(22, "KEP-1591", "daemon sets can surge", added("spec", "updateStrategy", "rollingUpdate", "maxSurge")),
    Change(22, "#100724", "evictions are policy/v1", evictions),
    Change(22, "k8s.io/apimachinery/pkg/labels", "a selector's wrong key is told as a field's wrong value", messages(label_keys), False),
    Change(23, "#104748", "a path that leads nowhere isn't answered with all there are", unknown_path),
    Change(23, "#98994", "services can be deleted as a collection", services_as_one),
    Change(25, "KEP-2885", "fields that a kind doesn't have are warned of", warnings),
    Change(25, "k8s.io/kube-openapi/pkg/validation", "an item of a custom object is told with its place", item_paths, False),
    Change(27, "k8s.io/apimachinery/pkg/util/managedfields", "what can't be applied is told by name", messages(typed_patch), False),
    Change(27, "k8s.io/kube-openapi/pkg/schemaconv", "what is in a free-form map has owners one by one", free_fields, False),
    Change(27, "#113542", "built-in kinds tell their singular names", singular_names),
    Change(27, "#112925", "a request beyond its limit is told with the limit", messages(limits)),
    Change(32, "#128553", "too long texts are told in other words", messages(too_long)),
    Change(33, "#130181", "pods have a generation", pod_generation),
    Change(34, "#130989", "times that aren't set aren't written", null_times),
    Change(34, "#132314", "values in messages are JSON", messages(values_as_json)),
]
