"""Plays the scenes with a Kubernetes API, and writes down each exchange: one JSON object a line, in which what differs
from one server to the next (ids, versions, times) has been replaced by what it stands for.

    kubernetes_transcript.py

The server is the one that KUBECONFIG names. Only what an API server does alone is asked for: a real one is run without
the controllers that the lab has.
"""

import contextlib
import json
import re
import sys
import urllib.parse

import urllib3
import yaml
from kubernetes import client, config

import kubernetes_client
import kubernetes_scenes

UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIMES = {"creationTimestamp", "deletionTimestamp", "lastTransitionTime", "time"}
# What a decoder of JSON or YAML, a parser of tokens or a printer of types says is its own affair, and of an object that
# a message tells whole, the ids and times are.
WORDS = [
    (re.compile(r"(cannot be handled as a \w+: )(?!strict decoding error).*", re.DOTALL), r"\1<why>"),
    (re.compile(r"(continue key is not valid: ).*", re.DOTALL), r"\1<why>"),
    (re.compile(r"(error converting YAML to JSON: yaml: line \d+: ).*", re.DOTALL), r"\1<why>"),
    (re.compile(r"(expected objects of the same type, but got ).*"), r"\1<types>"),
    (re.compile(r'(Invalid value: )"\{\\"apiVersion\\":.*', re.DOTALL), r"\1<object>: <why>"),
    (re.compile(r"(ResourceVersion in record \()\d+\)"), r"\1<version>)"),
]
# What a server's controllers put into every namespace.
OFTEN = "kube-root-ca.crt"
# Of what controllers see to: what they write, and who they are.
CONTROLLERS = {"kube-apiserver", "kube-controller-manager"}
WRITTEN = "deployment.kubernetes.io/revision"


class Names:
    """What stands for the ids and versions of objects."""

    def __init__(self):
        self.versions = {}

    def version(self, uid, version):
        """Which of the versions of an object it is, as they were seen."""
        seen = self.versions.setdefault(uid, [])
        if version not in seen:
            seen.append(version)
        return f"<version {seen.index(version) + 1}>"


class Recorder:
    """Writes down what goes through a client's pool of connections."""

    def __init__(self, pool):
        self.scene, self.paused, self.is_living, self.names = "", False, False, Names()
        self._request = pool.request
        pool.request = self.request

    def request(self, method, url, **more):
        response = self._request(method, url, **more)
        if not self.paused and more.get("preload_content", True):
            self.note(method, url, response.status, response.headers, body(response.headers, response.data))
        return response

    def note(self, method, url, status, headers, answer):
        path = urllib.parse.urlsplit(url)
        if self.scene == "applying" and "/namespaces/" not in path.path:
            # The dynamic client looks at all that there is first.
            return
        query = [
            (key, "<given>" if key in ("continue", "resourceVersion") and value not in ("", "0", "1", "nonsense") else value)
            for key, value in urllib.parse.parse_qsl(path.query, keep_blank_values=True)
        ]
        told = "&".join(f"{key}={value}" for key, value in query)
        line = {
            "asked": f"{self.scene}: {method} {path.path}" + (f"?{told}" if told else ""),
            "status": status,
            "type": headers.get("content-type", ""),
            "answer": _as_from_cache(dict(query), self.plain(answer)),
        }
        warnings = headers.get("warning")
        if warnings:
            line["warning"] = warnings
        print(json.dumps(line, sort_keys=True), flush=True)

    @contextlib.contextmanager
    def pause(self):
        """What is said meanwhile isn't written down."""
        self.paused, before = True, self.paused
        yield
        self.paused = before

    @contextlib.contextmanager
    def living(self):
        """Controllers see to the objects, where there are any: what they write isn't written down."""
        self.is_living = True
        yield
        self.is_living = False

    def plain(self, node, inside=None):
        """The same without what differs from server to server."""
        if isinstance(node, list):
            return [self.plain(one) for one in node if not _is_often(one)]
        if not isinstance(node, dict):
            return _text(node) if isinstance(node, str) else node
        node = dict(node)
        if node.get("kind") == "Table":
            _without_ages(node)
        if node.get("kind") == "APIResourceList":
            node["resources"] = kubernetes_scenes.discovered(node["resources"])
        is_list = "items" in node or "rows" in node
        if node.get("reason") == "Invalid":
            node = json.loads(json.dumps(node))
            if node["details"].get("causes"):
                _in_order(node)
        if self.is_living and inside is None:
            node.pop("status", None)
        return {key: self.member(key, value, node, is_list) for key, value in node.items()}

    def member(self, key, value, node, is_list):
        if key == "metadata" and isinstance(value, dict):
            return self.metadata(dict(value), is_list)
        if key == "uid":
            return "<uid>"
        if key in TIMES and isinstance(value, str):
            return "<time>"
        return self.plain(value, inside=node)

    def metadata(self, metadata, is_list):
        version, uid = metadata.pop("resourceVersion", None), metadata.get("uid")
        plain = self.plain(metadata, inside=metadata)
        if version is not None:
            plain["resourceVersion"] = "<version>" if is_list or uid is None else self.names.version(uid, version)
        if plain.get("continue"):
            plain["continue"] = "<continue>"
        if "generateName" in plain and plain["name"].startswith(plain["generateName"]):
            plain["name"] = plain["generateName"] + f"<{len(plain['name']) - len(plain['generateName'])}>"
        managers = plain.get("managedFields")
        if managers:
            # They stand in the order of their times, of which many are the same.
            managers.sort(key=lambda one: (one["manager"], one["operation"], one.get("subresource", "")))
        if self.is_living:
            plain.pop("resourceVersion", None)
            plain.get("annotations", {}).pop(WRITTEN, None)
            if managers:
                plain["managedFields"] = [one for one in managers if one["manager"] not in CONTROLLERS]
        return plain


def body(headers, data):
    """What an answer says."""
    text = data.decode() if isinstance(data, bytes) else data
    return json.loads(text) if "json" in headers.get("content-type", "") and text else text.strip()


def _is_often(one):
    return isinstance(one, dict) and isinstance(one.get("metadata"), dict) and one["metadata"].get("name") == OFTEN


def _as_from_cache(query, answer):
    """What comes out of a server's cache has been in order only since Kubernetes 1.29 (#113730, #120897): here always."""
    if "watch" in query and "resourceVersion" not in query and isinstance(answer, list):
        answer.sort(key=lambda event: event.get("object", {}).get("metadata", {}).get("name", ""))
    elif query.get("resourceVersion") == "0" and "items" in answer:
        answer["items"].sort(key=lambda item: item["metadata"]["name"])
    return answer


def _text(text):
    text = TIME.sub("<time>", UID.sub("<uid>", text))
    for pattern, plain in WORDS:
        text = pattern.sub(plain, text)
    return text


def _in_order(status):
    """What is wrong with maps and with what a schema refuses is told in any order: here always in the same."""
    causes, (told, _, _) = status["details"]["causes"], status["message"].partition("[")
    if status["message"] == f"{told}[{_all_told(causes)}]":
        causes.sort(key=lambda one: (one["field"], one["message"]))
        status["message"] = f"{told}[{_all_told(causes)}]"


def _all_told(causes):
    return ", ".join(f"{one.get('field')}: {one['message']}" for one in causes)


def _without_ages(table):
    names = [column["name"] for column in table["columnDefinitions"]]
    # Documentation, for people.
    table["columnDefinitions"] = [{**column, "description": "<words>"} for column in table["columnDefinitions"]]
    if "Age" in names:
        for row in table["rows"] or []:
            row["cells"] = list(row["cells"])
            row["cells"][names.index("Age")] = "<age>"


class Api:
    """Asks in as many words as it is told to, without what a client would add."""

    def __init__(self, api, recorder):
        self.host, self.pool, self.recorder = api.configuration.host, api.rest_client.pool_manager, recorder
        token = api.configuration.auth_settings()["BearerToken"]["value"]
        self.headers = {"authorization": token, "user-agent": "transcript/1"}

    def ready(self):
        """The version of the server, once it is ready."""
        starting = urllib3.Retry(total=100, status_forcelist=(403, 500), backoff_factor=0.1, backoff_max=1)
        with self.recorder.pause():
            self.pool.request("GET", self.host + "/readyz", headers=self.headers, retries=starting)
            return self.ask("GET", "/version")["gitVersion"]

    def ask(self, method, path, sent=None, kind="application/json", accept="application/json", **query):
        """What a request is answered with."""
        response = self.pool.request(method, self._url(path, query), **self._more(sent, kind, accept))
        return body(response.headers, response.data)

    def watch(self, path, count, until=lambda: None, **query):
        """The first events of a watch, after what is done once it has begun."""
        url = self._url(path, {"watch": "true", "timeoutSeconds": "10", **query})
        response = self.pool.request("GET", url, preload_content=False, **self._more(None, "", "application/json"))
        with self.recorder.pause():
            until()
        events, rest = [], b""
        for part in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + part).split(b"\n")
            events += [json.loads(line) for line in lines if line]
            if len(events) >= count:
                # Of the next one there may be a part.
                rest = b""
                break
        if rest:
            events.append(json.loads(rest))
        response.close()
        if not self.recorder.paused:
            self.recorder.note("GET", url, response.status, response.headers, events)
        return events

    def _url(self, path, query):
        return self.host + path + ("?" + urllib.parse.urlencode(query) if query else "")

    def _more(self, sent, kind, accept):
        headers = {**self.headers, "accept": accept}
        if sent is None:
            return {"headers": headers}
        if not isinstance(sent, str):
            sent = yaml.safe_dump(sent) if kind == kubernetes_scenes.APPLY else json.dumps(sent)
        return {"headers": {**headers, "content-type": kind}, "body": sent.encode()}


def main():
    config.load_kube_config()
    plain = client.ApiClient()
    recorder = Recorder(plain.rest_client.pool_manager)
    api, core = Api(plain, recorder), client.CoreV1Api(plain)
    print(json.dumps({"server": api.ready()}), flush=True)
    for name, scene in [
        ("objects", lambda: kubernetes_client.objects(core)),
        ("applying", lambda: kubernetes_client.applying(plain, core)),
        ("lists", lambda: kubernetes_client.lists(core)),
        ("watching", lambda: kubernetes_client.watching(core)),
        *((scene.__name__, lambda scene=scene: scene(api)) for scene in kubernetes_scenes.ALL),
    ]:
        recorder.scene = name
        scene()
    return 0


if __name__ == "__main__":
    sys.exit(main())
