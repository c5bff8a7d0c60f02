//! The Kubernetes API of a cluster of the lab, as someone beside psk uses it.

use http::Request;
use kube::config::Kubeconfig;
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use super::files::Files;
use super::psk::psk;
use super::world::{Served, runtime};

/// A client of its own, with a token that psk has made.
pub(crate) struct Api {
    client: kube::Client,
    runtime: Runtime,
}

impl Api {
    /// Reaches a cluster of the inventory.
    pub(crate) fn of(files: &Files, lab: &Served, cluster: &str) -> Self {
        let told = |args: [&str; 4]| psk(args).at(files).inside(lab).run().ended(0).stdout;
        let config = told(["kube", "config", "--cluster", cluster]);
        let token: Json =
            serde_json::from_str(&told(["kube", "token", "--cluster", cluster])).unwrap();
        let config = Kubeconfig::from_yaml(&config).unwrap();
        let config = config.clusters[0].cluster.clone().unwrap();
        let authority = config.certificate_authority_data.unwrap();
        let authority = data_encoding::BASE64.decode(authority.as_bytes()).unwrap();
        let mut options = kube::Config::new(config.server.unwrap().parse().unwrap());
        options.root_cert = Some(vec![pem::parse(authority).unwrap().into_contents()]);
        let token = token["status"]["token"].as_str().unwrap();
        options.auth_info.token = Some(token.to_owned().into());
        let runtime = runtime();
        let _entered = runtime.enter();
        let client = kube::Client::try_from(options).unwrap();
        drop(_entered);
        Self { client, runtime }
    }

    /// An object, by its path.
    pub(crate) fn get(&self, path: &str) -> Json {
        self.send("GET", path, "application/json", None).unwrap()
    }

    /// Whether there is an object at that path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.send("GET", path, "application/json", None).is_ok()
    }

    /// Changes an object as someone does who edits it by hand.
    pub(crate) fn edit(&self, path: &str, patch: &Json) {
        let path = format!("{path}?fieldManager=kubectl-edit");
        let edited = self.send("PATCH", &path, "application/merge-patch+json", Some(patch));
        edited.unwrap();
    }

    /// Applies an object as another tool does that applies server-side, whoever owns its fields.
    pub(crate) fn apply(&self, path: &str, manager: &str, object: &Json) {
        let path = format!("{path}?fieldManager={manager}&force=true");
        let applied = self.send("PATCH", &path, "application/apply-patch+yaml", Some(object));
        applied.unwrap();
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Json>,
    ) -> Result<Json, kube::Error> {
        let body = body.map(|body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(body.unwrap_or_default())
            .unwrap();
        self.runtime.block_on(self.client.request(request))
    }
}
