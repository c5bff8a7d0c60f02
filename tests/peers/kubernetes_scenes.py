"""What is said to a Kubernetes API so that its answers can be compared with another's."""

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

NAMESPACE = "transcript"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
MAPS = f"{CORE}/configmaps"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SHAPES = f"/apis/lab.example.com/v1/namespaces/{NAMESPACE}/shapes"

# Of what discovery tells, what psk asks about.
DISCOVERED = {
    *("namespaces", "configmaps", "secrets", "serviceaccounts", "pods", "nodes", "persistentvolumes", "events"),
    *("persistentvolumeclaims", "services", "deployments", "deployments/scale", "deployments/status", "daemonsets"),
    *("storageclasses", "csidrivers", "clusterrolebindings", "clusterroles", "customresourcedefinitions", "shapes"),
    *("pods/log", "pods/status", "pods/eviction", "shapes/status", "shapes/scale", "jobs"),
}


def discovered(resources):
    """What is compared of a group's resources."""
    chosen = [dict(one) for one in resources if one["name"] in DISCOVERED]
    for one in chosen:
        # Where a version is stored is the server's own affair.
        one.pop("storageVersionHash", None)
    return sorted(chosen, key=lambda one: one["name"])


def settings(name, labels=None, **data):
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def container(name="web", **more):
    return {"name": name, "image": "public.ecr.aws/nginx/nginx:1.29", **more}


def pod(**spec):
    metadata = {"name": "web", "namespace": NAMESPACE}
    spec = {"containers": [container()], "automountServiceAccountToken": False, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def deployment(name="web", **spec):
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def beginning(api):
    """A namespace of its own, and what a controller puts there."""
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    with api.recorder.pause():
        api.ask("POST", f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
    for path in ("/healthz", "/livez", "/nothing", "/apis/nothing.example.com/v1", "/api/v2", "/apis/apps/v1/nothing"):
        api.ask("GET", path)
    for path in ("/api/v1", "/apis/apps/v1", "/apis/storage.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1", "/apis/batch/v1"):
        api.ask("GET", path)
    api.ask("PUT", MAPS, settings("a"))
    api.ask("PATCH", MAPS, {}, MERGE)
    api.ask("POST", f"{MAPS}/a", settings("a"))
    api.ask("GET", f"{CORE}/nothing")


def creating(api):
    api.ask("POST", MAPS, settings("made", {"colour": "green"}, size="1"))
    api.ask("GET", f"{MAPS}/made")
    api.ask("POST", MAPS, {**settings("made"), "metadata": {"generateName": "many-"}})
    api.ask("POST", MAPS, {**settings("tried"), "metadata": {"name": "tried", "namespace": "another"}})
    api.ask("POST", MAPS, {**settings("tried"), "metadata": {}})
    api.ask("POST", MAPS, settings("made"))
    api.ask("POST", MAPS, "{")
    api.ask("POST", MAPS, {**settings("tried"), "data": {"size": 1}})
    api.ask("POST", MAPS, {**settings("tried"), "data": ["size"]})
    api.ask("POST", MAPS, settings("tried"), dryRun="Some")
    api.ask("POST", MAPS, settings("tried"), dryRun="All")
    api.ask("POST", MAPS, settings("tried"), fieldManager="a" * 129)
    api.ask("POST", MAPS, settings("managed"), fieldManager="someone")
    api.ask("POST", "/api/v1/namespaces/none/configmaps", settings("tried"))
    api.ask("POST", MAPS, settings("a." * 130 + "a"))
    api.ask("POST", MAPS, settings("tried", {"-": "a", "a": "-"}))
    api.ask("POST", MAPS, {**settings("tried"), "metadata": {"name": "tried", "annotations": {"not a key": ""}}})
    api.ask("POST", MAPS, settings("tried", **{"not/a/key": ""}))
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "Not.A.Label"}})
    api.ask("POST", f"{CORE}/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    api.ask("POST", f"{CORE}/secrets", {"metadata": {"name": "t"}, "data": {"a": "not base64"}})


def replacing(api):
    made = api.ask("POST", MAPS, settings("replaced", colour="green"))
    one = f"{MAPS}/replaced"
    api.ask("PUT", one, {**made, "data": {"colour": "red"}})
    api.ask("PUT", one, {**made, "data": {"colour": "blue"}})
    # Without a version whatever is there is replaced.
    api.ask("PUT", one, settings("replaced", colour="yellow"))
    api.ask("PUT", one, settings("replaced", colour="yellow"))
    api.ask("PUT", one, settings("another"))
    api.ask("PUT", f"{MAPS}/none", settings("none"))
    wrong = {"name": "replaced", "uid": "00000000-0000-0000-0000-000000000000"}
    api.ask("PUT", one, {**settings("replaced"), "metadata": wrong})
    api.ask("PUT", one, {**settings("replaced"), "immutable": True})
    api.ask("PUT", one, settings("replaced", colour="red"))
    api.ask("PATCH", one, {"immutable": None}, MERGE)


def patching(api):
    api.ask("POST", MAPS, settings("patched", colour="green", size="1"))
    one = f"{MAPS}/patched"
    api.ask("PATCH", one, {"data": {"size": None, "shape": "round"}}, MERGE)
    api.ask("PATCH", one, {"data": {"size": None}}, MERGE)
    api.ask("PATCH", one, [{"op": "replace", "path": "/data/colour", "value": "red"}], JSON)
    api.ask("PATCH", one, [{"op": "test", "path": "/data/colour", "value": "no"}], JSON)
    api.ask("PATCH", one, [{"op": "remove", "path": "/data/none"}], JSON)
    api.ask("PATCH", one, [{"op": "test", "path": "/data/colour", "value": "red"}, {"op": "add", "path": "/data/a~1b", "value": "x"}], JSON)
    api.ask("PATCH", one, {"data": {"colour": 1}}, MERGE)
    api.ask("PATCH", one, {"metadata": {"name": "another"}}, MERGE)
    api.ask("PATCH", one, {"metadata": {"resourceVersion": "1"}}, MERGE)
    api.ask("PATCH", one, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}, MERGE, dryRun="All")
    api.ask("PATCH", one, {"data": {"b": "c"}}, MERGE, fieldManager="someone")
    api.ask("PATCH", one, {"data": {"b": "c"}}, MERGE, force="true")
    api.ask("PATCH", one, {"data": {"b": "c"}}, "application/xml")
    api.ask("PATCH", f"{MAPS}/none", {"data": {}}, MERGE)
    # Lists are merged by their keys.
    accounts = f"{CORE}/serviceaccounts"
    api.ask("POST", accounts, {"metadata": {"name": "robot"}, "imagePullSecrets": [{"name": "a"}]})
    api.ask("PATCH", f"{accounts}/robot", {"imagePullSecrets": [{"name": "b"}]}, STRATEGIC)
    api.ask("PATCH", f"{accounts}/robot", {"imagePullSecrets": [{"$patch": "delete", "name": "a"}]}, STRATEGIC)
    api.ask("PATCH", f"{accounts}/robot", {"imagePullSecrets": [{"name": "c"}]}, MERGE)
    with api.recorder.living():
        api.ask("POST", DEPLOYMENTS, deployment())
        api.ask("PATCH", f"{DEPLOYMENTS}/web", _containers({"name": "web", "image": "web:2"}), STRATEGIC)
        api.ask("PATCH", f"{DEPLOYMENTS}/web", _containers({"name": "side", "image": "side"}), STRATEGIC)
        api.ask("PATCH", f"{DEPLOYMENTS}/web", _containers({"name": "side", "$patch": "delete"}), STRATEGIC)
        ordered = _containers({"name": "first", "image": "first"}, {"name": "last", "image": "last"})
        order = [{"name": name} for name in ("first", "web", "last")]
        ordered["spec"]["template"]["spec"]["$setElementOrder/containers"] = order
        api.ask("PATCH", f"{DEPLOYMENTS}/web", ordered, STRATEGIC)
        ordered["spec"]["template"]["spec"]["containers"].reverse()
        api.ask("PATCH", f"{DEPLOYMENTS}/web", ordered, STRATEGIC)
        only = {"spec": {"template": {"spec": {"$retainKeys": ["containers"], "containers": [{"$patch": "replace"}, container()]}}}}
        api.ask("PATCH", f"{DEPLOYMENTS}/web", only, STRATEGIC)
        api.ask("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"selector": {"matchLabels": {"app": "none"}}}}, STRATEGIC)
        api.ask("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": -1}}, MERGE)


def _containers(*containers):
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def applied(api):
    """Server-side apply besides what the client's own does."""
    one = f"{MAPS}/applied"

    def apply(manager, path=one, **more):
        query = {key: more.pop(key) for key in ("force", "dryRun") if key in more}
        sent = more.pop("sent", None) or {**settings("applied"), "data": more}
        return api.ask("PATCH", path, sent, APPLY, **({"fieldManager": manager} if manager else {}), **query)

    apply(None, colour="green")
    apply("one", dryRun="All", colour="green")
    apply("one", colour="green", size="1")
    apply("one", colour="green", size="1")
    apply("one", sent="apiVersion: v1\nkind: ConfigMap\nmetadata: [")
    apply("one", sent=settings("another"))
    apply("one", sent={"metadata": {"name": "applied"}})
    apply("one", sent={**settings("applied"), "kind": "Secret"})
    apply("one", sent={**settings("applied"), "metadata": {"name": "applied", "managedFields": [{"manager": "one"}]}})
    apply("one", sent={**settings("applied"), "metadata": {"name": "applied", "resourceVersion": "1"}})
    apply("one", sent={**settings("applied"), "metadata": {"name": "applied", "labels": {"a": "b"}}, "data": {"colour": "green"}})
    # Another's values: several, then the same, then by force.
    apply("one", colour="green", size="1")
    apply("two", colour="red", size="2")
    apply("two", colour="green")
    apply("one", size="1")
    apply("one", colour="blue", size="1")
    apply("one", force="true", dryRun="All", colour="black", size="1")
    apply("one", force="true", colour="blue", size="1")
    apply("two", dryRun="All", colour="red")
    # Who changes without applying owns too.
    api.ask("PATCH", one, {"data": {"size": "2", "more": "x"}}, MERGE, fieldManager="by-hand")
    apply("one", colour="blue", size="3")
    apply("one", force="true", colour="blue", size="3")
    apply("one")
    # A merge patch takes what is owned away.
    api.ask("PATCH", one, {"data": None}, MERGE, fieldManager="by-hand")
    # Lists whose items have keys.
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}

    def ports(*ports):
        return {**service, "spec": {"clusterIP": "None", "ports": [{"protocol": "TCP", **port} for port in ports]}}

    web = f"{CORE}/services/web"
    apply("one", web, dryRun="All", sent={**service, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    apply("one", web, sent=ports({"name": "web", "port": 80}))
    apply("two", web, sent={**service, "spec": {"ports": [{"name": "metrics", "port": 9090, "protocol": "TCP"}]}})
    apply("two", web, sent={**service, "spec": {"ports": [{"name": "other", "port": 80, "protocol": "TCP"}]}})
    apply("one", web, sent=ports({"name": "web", "port": 80, "targetPort": "http"}))
    apply("one", web, sent=ports({"name": "web", "port": 81}))
    # Lists that are one value.
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "transcript"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    }
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/transcript"
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group"}
    apply("one", bindings, sent={**binding, "subjects": [{**group, "name": "a"}]})
    apply("two", bindings, sent={**binding, "subjects": [{**group, "name": "b"}]})
    apply("one", bindings, sent={**binding, "subjects": [{**group, "name": "b"}]})
    role = {**binding["roleRef"], "name": "edit"}
    apply("one", bindings, sent={**binding, "roleRef": role, "subjects": [{**group, "name": "b"}]})
    with api.recorder.living():
        told = {"spec": {"replicas": 0, "template": {"spec": {"containers": [{"name": "web", "image": "web:3"}]}}}}
        base = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
        apply("one", f"{DEPLOYMENTS}/web", sent={**base, **told})
        apply("one", f"{DEPLOYMENTS}/web", force="true", sent={**base, **told})


def listing(api):
    for number in range(5):
        api.ask("POST", MAPS, settings(f"page-{number}", {"page": "yes", "parity": str(number % 2)}))
    page = api.ask("GET", MAPS, limit=2, labelSelector="page=yes")
    page = api.ask("GET", MAPS, limit=2, labelSelector="page=yes", **{"continue": page["metadata"]["continue"]})
    token = page["metadata"]["continue"]
    api.ask("GET", MAPS, limit=2, labelSelector="page=yes", **{"continue": token})
    api.ask("GET", MAPS, limit=2, labelSelector="page=yes", resourceVersion="1", **{"continue": token})
    api.ask("GET", MAPS, labelSelector="page=yes,parity!=1")
    # How many there are besides is told only of all.
    for number in range(3):
        api.ask("POST", f"{CORE}/secrets", {"metadata": {"name": f"page-{number}"}, "stringData": {"a": str(number)}})
    page = api.ask("GET", f"{CORE}/secrets", limit=2)
    api.ask("GET", f"{CORE}/secrets", limit=5, **{"continue": page["metadata"]["continue"]})
    api.ask("GET", f"{CORE}/secrets", limit=1, resourceVersion=page["metadata"]["resourceVersion"], resourceVersionMatch="Exact")
    api.ask("GET", f"{CORE}/secrets", resourceVersionMatch="Exact")
    api.ask("GET", MAPS, labelSelector="page,!parity")
    api.ask("GET", MAPS, labelSelector="parity notin (0,2)")
    api.ask("GET", MAPS, labelSelector="page in yes")
    api.ask("GET", MAPS, labelSelector="-=a")
    api.ask("GET", MAPS, fieldSelector="metadata.name=page-1,metadata.namespace=transcript")
    api.ask("GET", MAPS, fieldSelector="data.colour=green")
    api.ask("GET", MAPS, fieldSelector="metadata.name~page-1")
    api.ask("GET", f"{CORE}/pods", fieldSelector="spec.nodeName=none,status.phase!=Running")
    api.ask("GET", MAPS, resourceVersion="nonsense", labelSelector="page=yes")
    api.ask("GET", MAPS, resourceVersion="0", labelSelector="page=yes,parity=0")
    api.ask("GET", "/api/v1/namespaces/none/configmaps")
    api.ask("GET", f"{MAPS}/none")
    api.ask("GET", MAPS, accept=TABLE, labelSelector="page=yes,parity=1")
    api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}", accept=TABLE)
    api.ask("DELETE", MAPS, labelSelector="parity=1")
    api.ask("GET", MAPS, labelSelector="page")


def following(api):
    """Watches that the client's own doesn't make."""
    version = api.ask("GET", MAPS, labelSelector="none=none")["metadata"]["resourceVersion"]
    one = f"{MAPS}/followed"
    green = {"colour": "green"}

    def turn():
        api.ask("POST", MAPS, settings("followed", green, step="1"))
        api.ask("PATCH", one, {"data": {"step": "2"}}, MERGE)
        api.ask("PATCH", one, {"metadata": {"labels": {"colour": "red"}}}, MERGE)
        api.ask("PATCH", one, {"metadata": {"labels": {"colour": "green"}}}, MERGE)
        api.ask("DELETE", one)

    # What no longer has the label is gone, for who watches by it.
    api.watch(MAPS, 5, turn, resourceVersion=version, labelSelector="colour=green")
    api.watch(MAPS, 5, resourceVersion=version, fieldSelector="metadata.name=followed")
    api.watch(MAPS, 3, labelSelector="page=yes,parity=0")
    api.watch(MAPS, 1, resourceVersion="0", fieldSelector="metadata.name=page-0", allowWatchBookmarks="true")
    api.watch(MAPS, 1, resourceVersion="nonsense")
    api.watch(MAPS, 1, labelSelector="-=a")


def deleting(api):
    held = settings("held")
    held["metadata"]["finalizers"] = ["lab.example.com/hold"]
    made = api.ask("POST", MAPS, held)
    one = f"{MAPS}/held"
    other = "00000000-0000-0000-0000-000000000000"
    api.ask("DELETE", one, {"preconditions": {"uid": other}})
    api.ask("DELETE", one, {"preconditions": {"resourceVersion": "1"}})
    api.ask("DELETE", one, dryRun="All")
    api.ask("DELETE", one, propagationPolicy="Somehow")
    api.ask("DELETE", one, gracePeriodSeconds="-1")
    api.ask("DELETE", one, {"preconditions": {"uid": made["metadata"]["uid"]}})
    api.ask("DELETE", one)
    api.ask("PATCH", one, {"data": {"a": "b"}}, MERGE)
    api.ask("PATCH", one, {"metadata": {"finalizers": ["lab.example.com/hold", "lab.example.com/more"]}}, MERGE)
    api.ask("POST", MAPS, settings("held"))
    api.ask("PATCH", one, {"metadata": {"finalizers": None}}, MERGE)
    api.ask("GET", one)
    api.ask("DELETE", one)
    api.ask("POST", MAPS, settings("plain"))
    api.ask("DELETE", f"{MAPS}/plain", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
    wrong = settings("wrong")
    wrong["metadata"]["finalizers"] = ["plain"]
    api.ask("POST", MAPS, wrong)
    wrong = settings("wrong")
    wrong["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]
    api.ask("POST", MAPS, wrong)
    # A namespace goes once it is empty, and takes nothing new until then.
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "going"}})
    going = "/api/v1/namespaces/going"
    api.ask("POST", f"{going}/configmaps", held)
    with api.recorder.living():
        api.ask("DELETE", going)
    api.ask("POST", f"{going}/configmaps", settings("late"))


def defaulting(api):
    """What is added to objects; nothing is kept, so that no controller sees to it."""

    def tried(path, sent):
        api.ask("POST", path, sent, dryRun="All")

    pods = f"{CORE}/pods"
    tried(pods, pod())
    probe = {"httpGet": {"port": 80}}
    more = {
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"containerPort": 80}],
        "readinessProbe": probe,
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}},
        "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "a"}}]
    tried(pods, pod(containers=[container(**more)], initContainers=[container("first", image="busybox")], volumes=volumes))
    tried(pods, pod(priorityClassName="none"))
    tried(pods, pod(serviceAccountName="none"))
    tried(DEPLOYMENTS, deployment("tried"))
    tried(DEPLOYMENTS, deployment("tried", strategy={"type": "Recreate"}))
    daemons = deployment("tried")
    daemons["kind"] = "DaemonSet"
    del daemons["spec"]["replicas"]
    tried(f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets", daemons)
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}}
    claims = f"{CORE}/persistentvolumeclaims"
    tried(claims, {"metadata": {"name": "tried"}, "spec": claim})
    tried("/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": "tried"}, "provisioner": "ebs.csi.aws.com"})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    subjects = [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}, {"kind": "Group", "name": "c"}]
    tried(bindings, {"metadata": {"name": "tried"}, "roleRef": role, "subjects": subjects})
    tried(f"{CORE}/services", {"metadata": {"name": "tried"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    # And what is refused.
    tried(pods, {"metadata": {"name": "tried"}, "spec": {"automountServiceAccountToken": False}})
    tried(pods, pod(containers=[{"name": "Not_A_Label"}], restartPolicy="Sometimes"))
    tried(pods, pod(containers=[container(volumeMounts=[{"name": "none", "mountPath": "/v"}])]))
    tried(pods, pod(containers=[container(), container()]))
    tried(pods, pod(containers=[container(resources={"limits": {"memory": "much"}})]))
    tried(pods, pod(containers=[container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})]))
    tried(DEPLOYMENTS, deployment("tried", selector={"matchLabels": {"app": "none"}}))
    tried(DEPLOYMENTS, deployment("tried", selector={}))
    tried(claims, {"metadata": {"name": "tried"}, "spec": {"storageClassName": "a"}})
    tried("/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": "tried"}})
    tried("/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": "tried"}, "provisioner": "a", "reclaimPolicy": "Never"})
    tried(bindings, {"metadata": {"name": "tried"}, "roleRef": {**role, "kind": "Nothing"}})
    tried(f"{CORE}/services", {"metadata": {"name": "tried"}, "spec": {"ports": [{"port": 0}]}})


def storing(api):
    """A storage class, which can't be changed."""
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    made = {"metadata": {"name": "transcript"}, "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}}
    api.ask("POST", classes, made)
    api.ask("PATCH", f"{classes}/transcript", {"parameters": {"type": "gp2"}}, MERGE)
    api.ask("PATCH", f"{classes}/transcript", {"reclaimPolicy": "Retain"}, MERGE)
    api.ask("PATCH", f"{classes}/transcript", {"allowVolumeExpansion": True}, MERGE)
    api.ask("GET", f"{classes}/transcript", accept=TABLE)
    api.ask("DELETE", f"{classes}/transcript")


SHAPE = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["colour"],
            "properties": {
                "colour": {"type": "string", "enum": ["green", "red"]},
                "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "replicas": {"type": "integer"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "corners": {
                    "type": "array",
                    "maxItems": 3,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "angle": {"type": "integer"}},
                    },
                },
                "kinds": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "plain": {"type": "array", "items": {"type": "string"}},
            },
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "said": {"type": "string"}}},
    },
}


def definition(plural="shapes", **version):
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SHAPE},
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
        "additionalPrinterColumns": [{"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}],
        **version,
    }
    singular = plural.removesuffix("s")
    names = {"plural": plural, "singular": singular, "kind": singular.title(), "shortNames": [plural[:2]]}
    spec = {"group": "lab.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"{plural}.lab.example.com"}, "spec": spec}


def shape(called="a", **spec):
    return {"apiVersion": "lab.example.com/v1", "kind": "Shape", "metadata": {"name": called}, "spec": spec}


def defining(api):
    """Kinds that definitions add."""
    api.ask("POST", DEFINITIONS, {**definition(), "metadata": {"name": "wrong.lab.example.com"}})
    api.ask("POST", DEFINITIONS, definition(schema=None))
    api.ask("POST", DEFINITIONS, definition(storage=False))
    api.ask("GET", SHAPES)
    with api.recorder.living():
        api.ask("POST", DEFINITIONS, definition())
    _until_served(api, "shapes")
    api.ask("GET", "/apis/lab.example.com/v1")
    api.ask("POST", SHAPES, shape(colour="green", unknown="x", free={"a": {"b": 1}}))
    one = f"{SHAPES}/a"
    api.ask("POST", SHAPES, shape("b"))
    api.ask("POST", SHAPES, {"apiVersion": "lab.example.com/v1", "kind": "Shape", "metadata": {"name": "b"}})
    api.ask("POST", SHAPES, shape("b", colour="blue", size=10, name="No", tags={"a": 1}, free=1))
    api.ask("POST", SHAPES, shape("b", colour="green", size="1", plain="x", kinds=["a", "a"]))
    api.ask("POST", SHAPES, shape("b", colour="green", corners=[{"name": "a"}, {"name": "a"}, {"angle": 1}]))
    api.ask("POST", SHAPES, {**shape("b", colour="green"), "kind": "Form"})
    api.ask("POST", SHAPES, {**shape("b", colour="green"), "apiVersion": "lab.example.com/v2"})
    api.ask("PATCH", one, {"spec": {"size": 4}}, MERGE)
    api.ask("PATCH", one, {"spec": {"size": 4}}, MERGE)
    api.ask("PATCH", one, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    api.ask("PATCH", one, {"spec": {"size": 5}}, STRATEGIC)
    api.ask("PUT", one, shape(colour="red"))
    # The status is its subresource's.
    api.ask("PATCH", one, {"status": {"said": "no"}, "spec": {"size": 5}}, MERGE)
    api.ask("PATCH", f"{one}/status", {"status": {"said": "yes", "replicas": 1}, "spec": {"size": 9}}, MERGE)
    api.ask("GET", f"{one}/status")
    api.ask("GET", f"{one}/scale")
    api.ask("PATCH", f"{one}/scale", {"spec": {"replicas": 2}}, MERGE)
    api.ask("GET", one)
    api.ask("GET", SHAPES, accept=TABLE)

    def apply(manager, force=None, **spec):
        query = {"force": "true"} if force else {}
        return api.ask("PATCH", f"{SHAPES}/applied", shape("applied", **spec), APPLY, fieldManager=manager, **query)

    corner = {"name": "left", "angle": 90}
    apply("one", colour="green", corners=[corner], kinds=["a"], plain=["x"])
    apply("one", colour="green", corners=[corner], kinds=["a"], plain=["x"])
    apply("two", corners=[{"name": "right", "angle": 1}], kinds=["b"], colour="green")
    apply("two", corners=[{**corner, "angle": 45}], plain=["z"], colour="green")
    apply("two", True, corners=[{**corner, "angle": 45}], plain=["z"], colour="green")
    apply("one", colour="green", kinds=["a"])
    apply("one", colour="green", size="much")
    api.ask("DELETE", f"{SHAPES}/applied")
    api.ask("DELETE", SHAPES)
    with api.recorder.living():
        api.ask("DELETE", f"{DEFINITIONS}/shapes.lab.example.com")


def measuring(api):
    """A kind with values that are numbers or texts, and one with none of its own columns or subresources."""
    limit = {"x-kubernetes-int-or-string": True}
    spec = {"type": "object", "properties": {"limit": limit, "most": {**limit, "pattern": "^[0-9]+%$"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    with api.recorder.living():
        api.ask("POST", DEFINITIONS, definition("measures", schema=schema, subresources=None, additionalPrinterColumns=None))
    _until_served(api, "measures")
    measures = SHAPES.replace("shapes", "measures")
    base = {"apiVersion": "lab.example.com/v1", "kind": "Measure"}
    for name, spec in [("a", {"limit": 5}), ("b", {"limit": "50%", "most": "1%"}), ("c", {"limit": True}), ("c", {"most": "1"})]:
        api.ask("POST", measures, {**base, "metadata": {"name": name}, "spec": spec})
    api.ask("PATCH", f"{measures}/a", {"status": {"said": "yes"}}, MERGE)
    api.ask("GET", f"{measures}/a/status")
    api.ask("GET", f"{measures}/a/scale")
    api.ask("GET", measures)
    api.ask("GET", measures, accept=TABLE)
    with api.recorder.living():
        api.ask("PATCH", f"{DEFINITIONS}/measures.lab.example.com", {"metadata": {"labels": {"a": "b"}}}, MERGE)
        api.ask("DELETE", f"{DEFINITIONS}/measures.lab.example.com", dryRun="All")
        api.ask("DELETE", f"{DEFINITIONS}/measures.lab.example.com")


def _until_served(api, plural):
    """Until the kind is there: a server needs a moment after it was defined."""
    name = f"{plural}.lab.example.com"
    selected = {"fieldSelector": f"metadata.name={name}"}
    with api.recorder.pause():
        for turn in range(200):
            found = api.ask("GET", f"{DEFINITIONS}/{name}")
            conditions = found.get("status", {}).get("conditions") or []
            is_established = any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
            if is_established and isinstance(api.ask("GET", SHAPES.replace("shapes", plural)), dict):
                return
            # The server answers when something changes, or after a second.
            api.watch(DEFINITIONS, 1, resourceVersion=found["metadata"]["resourceVersion"], **selected, timeoutSeconds="1")
    raise AssertionError("the definition is not established")


ALL = [beginning, creating, replacing, patching, applied, listing, following, deleting, defaulting, storing, defining, measuring]
