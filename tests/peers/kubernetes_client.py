"""Drives a cluster's Kubernetes API with the official client for Python, and checks each answer."""

import json

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

NAMESPACE = "python"


def refused(call, status, reason):
    """The refusal that a call is answered with."""
    try:
        call()
    except ApiException as error:
        body = json.loads(error.body)
        assert (error.status, body["reason"]) == (status, reason), body
        assert body["kind"] == "Status" and body["code"] == status, body
        return body
    raise AssertionError(f"{call} was not refused")


def settings(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def objects(core):
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    made = core.create_namespaced_config_map(NAMESPACE, settings("a", colour="green"))
    assert made.metadata.uid and made.metadata.creation_timestamp and made.metadata.resource_version
    again = refused(lambda: core.create_namespaced_config_map(NAMESPACE, settings("a")), 409, "AlreadyExists")
    assert again["details"] == {"name": "a", "kind": "configmaps"}, again
    missing = refused(lambda: core.read_namespaced_config_map("none", NAMESPACE), 404, "NotFound")
    assert missing["message"] == 'configmaps "none" not found', missing
    wrong = refused(lambda: core.create_namespaced_config_map(NAMESPACE, settings("Not_A_Name")), 422, "Invalid")
    assert wrong["details"]["causes"][0]["field"] == "metadata.name", wrong
    # What was read before someone else changed it can't be written.
    core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"colour": "blue"}})
    made.data = {"colour": "red"}
    refused(lambda: core.replace_namespaced_config_map("a", NAMESPACE, made), 409, "Conflict")
    patched = core.patch_namespaced_config_map("a", NAMESPACE, [{"op": "add", "path": "/data/size", "value": "1"}])
    assert patched.data == {"colour": "blue", "size": "1"}, patched.data
    same = core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"size": "1"}})
    assert same.metadata.resource_version == patched.metadata.resource_version
    tried = core.create_namespaced_config_map(NAMESPACE, settings("tried"), dry_run="All")
    assert tried.metadata.uid
    refused(lambda: core.read_namespaced_config_map("tried", NAMESPACE), 404, "NotFound")


def applying(api, core):
    """Server-side apply, its owners and its conflicts."""
    maps = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager, **more):
        data = more.pop("data")
        return maps.server_side_apply(
            body=settings("applied", **data), namespace=NAMESPACE, field_manager=manager, **more
        )

    first = apply("one", data={"colour": "green"})
    again = apply("one", data={"colour": "green"})
    assert first.metadata.resourceVersion == again.metadata.resourceVersion
    try:
        apply("two", data={"colour": "blue", "size": "1"})
        raise AssertionError("no conflict")
    except dynamic.exceptions.ConflictError as error:
        body = json.loads(error.body)
        assert body["details"]["causes"] == [
            {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.colour"}
        ], body
    apply("two", data={"size": "1"})
    forced = apply("two", data={"colour": "blue", "size": "1"}, force_conflicts=True)
    owners = {entry.manager: entry for entry in forced.metadata.managedFields}
    assert list(owners) == ["two"] and owners["two"].operation == "Apply", owners
    # What its owner no longer applies goes.
    assert dict(apply("two", data={"colour": "blue"}).data) == {"colour": "blue"}


def lists(core):
    """Pages agree with one another, whatever is made meanwhile; selectors pick."""
    for number in range(7):
        labels = {"page": "yes", "parity": "even" if number % 2 == 0 else "odd"}
        body = settings(f"page-{number}")
        body["metadata"]["labels"] = labels
        core.create_namespaced_config_map(NAMESPACE, body)
    names, token, pages, versions = [], None, 0, set()
    while True:
        page = core.list_namespaced_config_map(NAMESPACE, label_selector="page=yes", limit=3, _continue=token)
        names += [item.metadata.name for item in page.items]
        versions.add(page.metadata.resource_version)
        pages += 1
        token = page.metadata._continue
        if pages == 1:
            assert page.metadata.remaining_item_count in (None, 4), page.metadata
            late = settings("page-30")
            late["metadata"]["labels"] = {"page": "yes"}
            core.create_namespaced_config_map(NAMESPACE, late)
        if not token:
            break
    assert names == [f"page-{number}" for number in range(7)] and pages == 3, names
    assert len(versions) == 1, versions
    odd = core.list_namespaced_config_map(NAMESPACE, label_selector="parity in (odd),page")
    assert len(odd.items) == 3
    one = core.list_namespaced_config_map(NAMESPACE, field_selector="metadata.name=page-3")
    assert [item.metadata.name for item in one.items] == ["page-3"]
    wrong = refused(lambda: core.list_namespaced_config_map(NAMESPACE, _continue="nonsense"), 400, "BadRequest")
    assert "continue" in wrong["message"], wrong


def watching(core):
    """A watch tells of each change from a version on, and says where it can't."""
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    core.create_namespaced_config_map(NAMESPACE, settings("watched", step="1"))
    core.patch_namespaced_config_map("watched", NAMESPACE, {"data": {"step": "2"}})
    core.delete_namespaced_config_map("watched", NAMESPACE)
    seen = []
    following = watch.Watch()
    for event in following.stream(
        core.list_namespaced_config_map, NAMESPACE, resource_version=version, timeout_seconds=20
    ):
        seen.append((event["type"], event["object"].data["step"]))
        if event["type"] == "DELETED":
            following.stop()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")], seen


def waiting(core, apps):
    """A deployment becomes available, its pods say so, and deletion takes them along."""
    labels = {"app": "web"}
    container = {"name": "web", "image": "public.ecr.aws/nginx/nginx:1.29"}
    tolerations = [{"key": "dedicated", "operator": "Exists"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "tolerations": tolerations}}
    body = {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}}
    apps.create_namespaced_deployment(NAMESPACE, body)
    following = watch.Watch()
    for event in following.stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=20):
        if event["object"].status.available_replicas == 2:
            following.stop()
    pods = core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items
    assert [pod.status.phase for pod in pods] == ["Running"] * 2, pods
    scale = apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 1}})
    assert scale.spec.replicas == 1
    version = apps.list_namespaced_deployment(NAMESPACE).metadata.resource_version
    apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Foreground")
    for event in watch.Watch().stream(
        apps.list_namespaced_deployment, NAMESPACE, resource_version=version, timeout_seconds=20
    ):
        if event["type"] == "DELETED":
            break
    # In the foreground, the owner goes last.
    assert not core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items
    gone = core.delete_namespaced_config_map("a", NAMESPACE)
    assert gone.status == "Success" and gone.details.name == "a", gone
    deleted = core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="page=yes")
    assert not core.list_namespaced_config_map(NAMESPACE, label_selector="page=yes").items, deleted
    version = core.list_namespace().metadata.resource_version
    core.delete_namespace(NAMESPACE)
    for event in watch.Watch().stream(core.list_namespace, resource_version=version, timeout_seconds=20):
        if event["type"] == "DELETED" and event["object"].metadata.name == NAMESPACE:
            break
    refused(lambda: core.read_namespace(NAMESPACE), 404, "NotFound")


def main():
    config.load_kube_config()
    api = client.ApiClient()
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    assert client.VersionApi(api).get_code().minor == "35"
    assert all(
        condition.status == "True"
        for node in core.list_node().items
        for condition in node.status.conditions
        if condition.type == "Ready"
    )
    objects(core)
    applying(api, core)
    lists(core)
    watching(core)
    waiting(core, apps)
    print("all of it held")


if __name__ == "__main__":
    main()
