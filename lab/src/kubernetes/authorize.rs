//! Who may do what: EKS's access policies, and roles with their bindings.
//!
//! Source: "Using RBAC Authorization" in the Kubernetes documentation and "Review access policy
//! permissions" in the EKS user guide.

use serde_json::{Value, json};

use super::inside::Inside;
use super::object::Object;

const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const CLUSTER_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
const ROLES: &str = "roles.rbac.authorization.k8s.io";
const BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";

/// Who sends a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    /// Access policies by name, each with the namespaces that it is for; none for all.
    pub(crate) policies: Vec<(String, Vec<String>)>,
    /// What `authentication.k8s.io` calls extra.
    pub(crate) extra: Vec<(String, String)>,
}

/// What someone wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With a subresource behind a slash.
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    /// A path that leads to no objects.
    pub(crate) path: Option<String>,
}

impl Action {
    /// Why it isn't allowed, in the server's words.
    pub(crate) fn refusal(&self, user: &User) -> String {
        let place = match &self.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        format!(
            "User {:?} cannot {} resource {:?} in API group {:?} {place}",
            user.name, self.verb, self.resource, self.group
        )
    }
}

/// Whether someone may do something.
pub(crate) fn allows(inside: &Inside, user: &User, action: &Action) -> bool {
    by_policy(inside, user, action) || by_binding(inside, user, action)
}

fn by_policy(inside: &Inside, user: &User, action: &Action) -> bool {
    user.policies.iter().any(|(policy, namespaces)| {
        let reaches = namespaces.is_empty()
            || action.namespace.as_ref().is_some_and(|n| {
                namespaces
                    .iter()
                    .any(|pattern| crate::pattern::matches(pattern, n))
            });
        let reads = matches!(action.verb.as_str(), "get" | "list" | "watch");
        let allowed = match policy.as_str() {
            "AmazonEKSClusterAdminPolicy" => true,
            "AmazonEKSAdminPolicy" => has_role(inside, "admin", action),
            "AmazonEKSEditPolicy" => has_role(inside, "edit", action),
            "AmazonEKSViewPolicy" => has_role(inside, "view", action),
            "AmazonEKSAdminViewPolicy" => reads,
            "AmazonEKSSecretReaderPolicy" => reads && action.resource == "secrets",
            _ => false,
        };
        reaches && allowed
    })
}

fn has_role(inside: &Inside, role: &str, action: &Action) -> bool {
    inside
        .get(CLUSTER_ROLES, None, role)
        .is_some_and(|role| role.list("/rules").iter().any(|rule| permits(rule, action)))
}

fn by_binding(inside: &Inside, user: &User, action: &Action) -> bool {
    let of_user = |binding: &&Value| {
        let subjects = binding.list("/subjects").iter();
        subjects
            .into_iter()
            .any(|subject| is_subject(subject, user))
    };
    let everywhere = inside
        .every(CLUSTER_BINDINGS)
        .filter(of_user)
        .any(|binding| has_role(inside, binding.text("/roleRef/name"), action));
    let Some(namespace) = &action.namespace else {
        return everywhere;
    };
    everywhere
        || inside
            .within(BINDINGS, namespace)
            .filter(of_user)
            .any(|binding| {
                let name = binding.text("/roleRef/name");
                if binding["roleRef"]["kind"] == "ClusterRole" {
                    has_role(inside, name, action)
                } else {
                    let role = inside.get(ROLES, Some(namespace), name);
                    role.is_some_and(|r| r.list("/rules").iter().any(|rule| permits(rule, action)))
                }
            })
}

fn is_subject(subject: &Value, user: &User) -> bool {
    let name = subject.text("/name");
    match subject.text("/kind") {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            user.name
                == format!(
                    "system:serviceaccount:{}:{name}",
                    subject.text("/namespace")
                )
        }
        _ => false,
    }
}

fn permits(rule: &Value, action: &Action) -> bool {
    let has = |member: &str, wanted: &str| {
        let all = rule.list(member);
        all.iter().any(|one| one == "*" || one == wanted)
    };
    if !has("/verbs", &action.verb) {
        return false;
    }
    if let Some(path) = &action.path {
        return rule
            .list("/nonResourceURLs")
            .iter()
            .filter_map(Value::as_str)
            .any(|url| {
                url == path
                    || url
                        .strip_suffix('*')
                        .is_some_and(|prefix| path.starts_with(prefix))
            });
    }
    let (_, subresource) = action.resource.split_once('/').unwrap_or(("", ""));
    let names = rule.list("/resourceNames");
    has("/apiGroups", &action.group)
        && (has("/resources", &action.resource)
            || (!subresource.is_empty() && has("/resources", &format!("*/{subresource}"))))
        && (names.is_empty() || names.iter().any(|name| *name == action.name.as_str()))
}

/// Answers reviews of what the caller, or someone, is and may do. `None` if it isn't one.
pub(crate) fn review(inside: &Inside, user: &User, kind: &str, body: &Value) -> Option<Value> {
    let mut answer = body.clone();
    match kind {
        "SelfSubjectReview" => {
            let extra: serde_json::Map<String, Value> = user
                .extra
                .iter()
                .map(|(k, v)| (k.clone(), json!([v])))
                .collect();
            answer["status"] = json!({ "userInfo": {
                "username": user.name, "uid": user.uid, "groups": user.groups, "extra": extra,
            }});
        }
        "SelfSubjectAccessReview" => {
            answer["status"] = json!({ "allowed": allows(inside, user, &asked(body)) });
        }
        "SubjectAccessReview" => {
            let someone = User {
                name: body.text("/spec/user").to_owned(),
                groups: body
                    .list("/spec/groups")
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                ..User::default()
            };
            answer["status"] = json!({ "allowed": allows(inside, &someone, &asked(body)) });
        }
        "SelfSubjectRulesReview" => {
            let everything = user
                .policies
                .iter()
                .any(|(p, _)| p == "AmazonEKSClusterAdminPolicy");
            let rules = if everything {
                json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }])
            } else {
                json!([])
            };
            answer["status"] = json!({
                "resourceRules": rules, "nonResourceRules": [], "incomplete": !everything,
            });
        }
        "TokenReview" => {
            answer["status"] = json!({ "authenticated": false, "user": {} });
        }
        _ => return None,
    }
    if let Some(map) = answer.as_object_mut() {
        map.entry("metadata").or_insert_with(|| json!({}));
    }
    Some(answer)
}

fn asked(review: &Value) -> Action {
    let own = |pointer: &str| review.text(pointer).to_owned();
    let resource = own("/spec/resourceAttributes/resource");
    let subresource = review.text("/spec/resourceAttributes/subresource");
    let path = own("/spec/nonResourceAttributes/path");
    let is_path = !path.is_empty();
    Action {
        verb: own(if is_path {
            "/spec/nonResourceAttributes/verb"
        } else {
            "/spec/resourceAttributes/verb"
        }),
        group: own("/spec/resourceAttributes/group"),
        resource: if subresource.is_empty() {
            resource
        } else {
            format!("{resource}/{subresource}")
        },
        namespace: Some(own("/spec/resourceAttributes/namespace")).filter(|n| !n.is_empty()),
        name: own("/spec/resourceAttributes/name"),
        path: is_path.then_some(path),
    }
}

/// The roles that every cluster has: name and rules.
pub(crate) fn built_in_roles() -> Vec<(&'static str, Value)> {
    const READ: [&str; 3] = ["get", "list", "watch"];
    const WRITE: [&str; 8] = [
        "get",
        "list",
        "watch",
        "create",
        "delete",
        "deletecollection",
        "patch",
        "update",
    ];
    let namespaced = json!([
        "pods",
        "pods/log",
        "pods/status",
        "services",
        "configmaps",
        "persistentvolumeclaims",
        "serviceaccounts",
        "endpoints",
        "events",
        "resourcequotas",
        "limitranges",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "namespaces",
    ]);
    let workloads = json!({
        "groups": ["apps", "batch", "policy"],
        "resources": ["deployments", "deployments/scale", "daemonsets", "statefulsets",
            "statefulsets/scale", "replicasets", "replicasets/scale", "jobs", "cronjobs",
            "poddisruptionbudgets", "controllerrevisions"],
    });
    let rules = |verbs: &[&str], more: Vec<Value>| {
        let mut all = vec![
            json!({ "apiGroups": [""], "resources": namespaced, "verbs": verbs }),
            json!({ "apiGroups": workloads["groups"], "resources": workloads["resources"], "verbs": verbs }),
        ];
        all.extend(more);
        Value::Array(all)
    };
    let secrets =
        json!({ "apiGroups": [""], "resources": ["secrets", "pods/eviction"], "verbs": WRITE });
    let access = json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": WRITE });
    vec![
        (
            "cluster-admin",
            json!([
                { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
                { "nonResourceURLs": ["*"], "verbs": ["*"] },
            ]),
        ),
        ("admin", rules(&WRITE, vec![secrets.clone(), access])),
        ("edit", rules(&WRITE, vec![secrets])),
        ("view", rules(&READ, Vec::new())),
        (
            "system:discovery",
            json!([{
                "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez",
                    "/openapi", "/openapi/*", "/readyz", "/version", "/version/"],
                "verbs": ["get"],
            }]),
        ),
        (
            "system:basic-user",
            json!([
                { "apiGroups": ["authorization.k8s.io"],
                  "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"] },
                { "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"] },
            ]),
        ),
        (
            "system:node",
            json!([
                { "apiGroups": [""], "resources": ["nodes", "pods", "services", "secrets", "configmaps",
                    "persistentvolumes", "persistentvolumeclaims"], "verbs": READ },
            ]),
        ),
    ]
}

/// The bindings that every cluster has: role and group.
pub(crate) const BUILT_IN_BINDINGS: [(&str, &str); 4] = [
    ("cluster-admin", "system:masters"),
    ("system:discovery", "system:authenticated"),
    ("system:basic-user", "system:authenticated"),
    ("system:node", "system:nodes"),
];

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn inside() -> Inside {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut inside = Inside::new("c");
        let rbac = "rbac.authorization.k8s.io/v1";
        for (name, rules) in built_in_roles() {
            inside.put(json!({ "apiVersion": rbac, "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules }), now);
        }
        for (role, group) in BUILT_IN_BINDINGS {
            inside.put(json!({ "apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": { "name": role },
                "roleRef": { "kind": "ClusterRole", "name": role }, "subjects": [{ "kind": "Group", "name": group }] }), now);
        }
        inside.put(json!({ "apiVersion": rbac, "kind": "RoleBinding", "metadata": { "name": "b", "namespace": "team" },
            "roleRef": { "kind": "ClusterRole", "name": "view" }, "subjects": [{ "kind": "User", "name": "ann" }] }), now);
        inside
    }

    fn user(name: &str, policies: &[(&str, &[&str])]) -> User {
        User {
            name: name.into(),
            groups: vec!["system:authenticated".into()],
            policies: policies
                .iter()
                .map(|(p, n)| ((*p).into(), n.iter().map(|n| (*n).to_owned()).collect()))
                .collect(),
            ..User::default()
        }
    }

    fn may(user: &User, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        let action = Action {
            verb: verb.into(),
            resource: resource.into(),
            namespace: namespace.map(str::to_owned),
            ..Action::default()
        };
        allows(&inside(), user, &action)
    }

    #[test]
    fn policies_reach_as_far_as_their_scope() {
        let admin = user("a", &[("AmazonEKSClusterAdminPolicy", &[])]);
        assert!(may(&admin, "delete", "nodes", None));
        let edit = user("e", &[("AmazonEKSEditPolicy", &["team-*"])]);
        assert!(may(&edit, "create", "pods", Some("team-a")));
        assert!(!may(&edit, "create", "pods", Some("other")));
        assert!(!may(&edit, "list", "pods", None));
        assert!(!may(&edit, "create", "nodes", Some("team-a")));
    }

    #[test]
    fn bindings_give_their_role_where_they_are() {
        let ann = user("ann", &[]);
        assert!(may(&ann, "list", "pods", Some("team")));
        assert!(!may(&ann, "list", "secrets", Some("team")));
        assert!(!may(&ann, "create", "pods", Some("team")));
        assert!(!may(&ann, "list", "pods", Some("other")));
        let path = Action {
            verb: "get".into(),
            path: Some("/apis/apps".into()),
            ..Action::default()
        };
        assert!(allows(&inside(), &ann, &path));
    }
}
