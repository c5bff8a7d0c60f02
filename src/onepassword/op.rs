//! 1Password through its CLI, `op`, for those who have a service account and no Connect server.
//!
//! Values go to `op` by its standard input only, as JSON: arguments can be seen by whoever may list
//! processes. Source: 1Password's pages on `op vault`, `op item`, and item JSON templates.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::access::{OnePassword, masked};
use super::error::Error;
use super::model::{FieldChange, Item, ItemSummary, NewItem, Vault};
use crate::env::Env;
use crate::process::{Invocation, Processes};

/// The CLI.
pub struct Op {
    env: Env,
    processes: Processes,
    /// The items of each vault: the CLI lists all of them, so they are asked for once.
    lists: Mutex<BTreeMap<String, Arc<Vec<ItemSummary>>>>,
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Op").finish_non_exhaustive()
    }
}

impl Op {
    /// The CLI as it is found by this environment, which also holds the service account's token.
    pub fn new(env: Env, processes: Processes) -> Self {
        Self {
            env,
            processes,
            lists: Mutex::default(),
        }
    }

    /// Runs the CLI and gives what it printed.
    async fn run(
        &self,
        args: &[&str],
        input: Option<SecretString>,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<SecretString, Error> {
        let args = args.iter().chain(&["--format", "json"]);
        let invocation = Invocation {
            program: "op".to_owned(),
            args: args.map(|arg| (*arg).to_owned()).collect(),
            env: Some(self.env.clone()),
            input,
        };
        let finished = (self.processes)(invocation)
            .await
            .map_err(|error| Error::NoCli {
                doing: doing(),
                cause: error.to_string(),
            })?;
        if finished.success {
            return Ok(finished.stdout.into());
        }
        let said = finished.stderr.trim();
        Err(Error::Cli {
            doing: doing(),
            message: match said {
                "" => "nothing, and ended with an error".to_owned(),
                said => said.to_owned(),
            },
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        args: &[&str],
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<T, Error> {
        parse(&self.run(args, None, doing).await?, doing)
    }

    /// Has the CLI take in an item, and gives the item as it is then.
    async fn give(
        &self,
        args: &[&str],
        item: &Value,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<Item, Error> {
        let input = SecretString::from(item.to_string());
        parse(&self.run(args, Some(input), doing).await?, doing)
    }
}

fn parse<T: DeserializeOwned>(
    printed: &SecretString,
    doing: &(dyn Fn() -> String + Sync),
) -> Result<T, Error> {
    // serde_json's message may quote a value; its place in the text can't.
    serde_json::from_str(printed.expose_secret()).map_err(|error| Error::UnreadableCli {
        doing: doing(),
        cause: format!(
            "no valid answer at line {}, column {}",
            error.line(),
            error.column()
        ),
    })
}

#[async_trait]
impl OnePassword for Op {
    async fn vaults_named(&self, name: &str) -> Result<Vec<Vault>, Error> {
        let doing = || format!("looking for vault {name:?}");
        let mut vaults: Vec<Vault> = self.ask(&["vault", "list"], &doing).await?;
        vaults.retain(|vault| vault.name == name);
        Ok(vaults)
    }

    async fn vault(&self, id: &str) -> Result<Vault, Error> {
        self.ask(&["vault", "get", id], &|| format!("reading vault {id}"))
            .await
    }

    async fn items_titled(&self, vault: &str, title: &str) -> Result<Vec<ItemSummary>, Error> {
        let mut lists = self.lists.lock().await;
        let items = match lists.get(vault) {
            Some(items) => items.clone(),
            None => {
                let doing = || format!("looking for item {title:?}");
                let items: Vec<ItemSummary> = self
                    .ask(&["item", "list", "--vault", vault], &doing)
                    .await?;
                let items = Arc::new(items);
                lists.insert(vault.to_owned(), items.clone());
                items
            }
        };
        let titled = items.iter().filter(|item| item.title == title);
        Ok(titled.cloned().collect())
    }

    async fn item(&self, vault: &str, id: &str) -> Result<Item, Error> {
        let doing = || format!("reading item {id}");
        self.ask(&["item", "get", id, "--vault", vault], &doing)
            .await
    }

    async fn create(&self, vault: &str, item: &NewItem) -> Result<Item, Error> {
        // Whether it succeeds or not, what was listed may be so no more.
        self.lists.lock().await.remove(vault);
        let fields: Vec<_> = item.fields.iter().map(|field| field.to_json()).collect();
        let template = json!({
            "title": item.title,
            "category": item.category,
            "fields": fields,
        });
        let doing = || format!("making item {:?}", item.title);
        let made = self
            .give(
                &["item", "create", "-", "--vault", vault],
                &template,
                &doing,
            )
            .await;
        made.map_err(|error| masked(error, item.fields.iter().map(|field| &field.value)))
    }

    async fn change(&self, vault: &str, id: &str, changes: &[FieldChange]) -> Result<Item, Error> {
        let doing = || format!("changing item {id}");
        // The CLI replaces the whole item, so it gets back all that it told of it a moment ago.
        let mut item: Value = self
            .ask(&["item", "get", id, "--vault", vault], &doing)
            .await?;
        for change in changes {
            apply(&mut item, change);
        }
        let changed = self
            .give(&["item", "edit", id, "--vault", vault], &item, &doing)
            .await;
        changed.map_err(|error| masked(error, changes.iter().map(FieldChange::value)))
    }
}

fn apply(item: &mut Value, change: &FieldChange) {
    if !item["fields"].is_array() {
        item["fields"] = json!([]);
    }
    let Some(fields) = item["fields"].as_array_mut() else {
        return;
    };
    match change {
        FieldChange::Set { id, value } => {
            let found = fields.iter_mut().find(|field| field["id"] == **id);
            if let Some(field) = found {
                field["value"] = json!(value.expose_secret());
            }
        }
        FieldChange::Add(field) => fields.push(field.to_json()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use futures::FutureExt;

    use super::*;
    use crate::onepassword::NewField;
    use crate::process::Finished;

    const ITEM: &str = r#"{"id":"i","title":"t","version":3,"fields":[
        {"id":"a","type":"CONCEALED","label":"token","value":"old","reference":"op://v/t/token"},
        {"id":"otp","type":"OTP","label":"one-time password","value":"otpauth://x","totp":"1"}]}"#;

    /// What was run: the arguments, and what was given to it.
    type Runs = Arc<StdMutex<Vec<(String, String)>>>;

    /// A CLI that answers with these, one after the other.
    fn op(answers: &[Result<&str, &str>]) -> (Op, Runs) {
        let runs = Runs::default();
        let answers: Vec<Result<String, String>> = answers
            .iter()
            .map(|answer| answer.map(str::to_owned).map_err(str::to_owned))
            .collect();
        let noted = runs.clone();
        let processes: Processes = Arc::new(move |invocation: Invocation| {
            let mut runs = noted.lock().unwrap();
            let answer = answers[runs.len()].clone();
            let input = invocation.input.as_ref().map(|text| text.expose_secret());
            runs.push((
                invocation.args.join(" "),
                input.unwrap_or_default().to_owned(),
            ));
            let finished = Finished {
                success: answer.is_ok(),
                stdout: answer.clone().unwrap_or_default(),
                stderr: answer.err().unwrap_or_default(),
            };
            async { Ok(finished) }.boxed()
        });
        (Op::new(Env::default(), processes), runs)
    }

    #[tokio::test]
    async fn names_are_compared_by_psk_and_a_vault_is_listed_once() {
        let (op, runs) = op(&[
            Ok(r#"[{"id":"1","name":"v"},{"id":"2","name":"V"},{"id":"3","name":"v"}]"#),
            Ok(r#"[{"id":"i","title":"-t"},{"id":"j","title":"u"}]"#),
        ]);
        let vaults = op.vaults_named("v").await.unwrap();
        let ids: Vec<_> = vaults.iter().map(|vault| vault.id.as_str()).collect();
        assert_eq!(ids, ["1", "3"]);
        assert_eq!(op.items_titled("1", "-t").await.unwrap()[0].id, "i");
        assert_eq!(op.items_titled("1", "x").await.unwrap(), []);
        let args: Vec<_> = runs
            .lock()
            .unwrap()
            .iter()
            .map(|run| run.0.clone())
            .collect();
        assert_eq!(
            args,
            [
                "vault list --format json",
                "item list --vault 1 --format json"
            ]
        );
    }

    #[tokio::test]
    async fn a_change_leaves_all_else_of_an_item_and_shows_no_value_in_arguments() {
        let (op, runs) = op(&[Ok(ITEM), Ok(ITEM)]);
        let changes = [
            FieldChange::Set {
                id: "a".into(),
                value: "canary-1".into(),
            },
            FieldChange::Add(NewField {
                label: "more".into(),
                concealed: false,
                value: "canary-2".into(),
            }),
        ];
        op.change("v", "i", &changes).await.unwrap();
        let runs = runs.lock().unwrap();
        let (args, given) = &runs[1];
        assert_eq!(args, "item edit i --vault v --format json");
        let mut expected: Value = serde_json::from_str(ITEM).unwrap();
        expected["fields"][0]["value"] = json!("canary-1");
        let more = json!({ "label": "more", "type": "STRING", "value": "canary-2" });
        expected["fields"].as_array_mut().unwrap().push(more);
        assert_eq!(serde_json::from_str::<Value>(given).unwrap(), expected);
    }

    #[tokio::test]
    async fn what_the_cli_says_is_told_without_what_it_was_given() {
        let (op, _) = op(&[
            Err("[ERROR] (409) Conflict: canary is not it"),
            Err(""),
            Ok("{\"canary"),
        ]);
        let item = NewItem {
            title: "t".into(),
            category: "API_CREDENTIAL",
            fields: vec![NewField {
                label: "l".into(),
                concealed: true,
                value: "canary".into(),
            }],
        };
        let error = op.create("v", &item).await.unwrap_err();
        assert!(error.passes());
        assert_eq!(
            error.to_string(),
            "making item \"t\": op said: [ERROR] (409) Conflict: *** is not it"
        );
        let error = op.vault("v").await.unwrap_err();
        assert!(!error.passes());
        assert_eq!(
            error.to_string(),
            "reading vault v: op said: nothing, and ended with an error"
        );
        let error = op.vault("v").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading vault v: op printed something that psk can't read: \
             no valid answer at line 1, column 8"
        );
    }
}
