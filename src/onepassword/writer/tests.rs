use std::sync::Mutex as StdMutex;

use async_trait::async_trait;

use super::*;
use crate::onepassword::{Field, ItemSummary, Vault};

/// A vault in memory that can be made to fail.
#[derive(Debug, Default)]
struct Memory {
    items: StdMutex<Vec<Item>>,
    calls: StdMutex<Vec<String>>,
    /// What becomes of the writes, one after the other; all of them succeed after that.
    fates: StdMutex<Vec<Fate>>,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is refused.
    Refused(u16),
    /// It is carried out, and the answer is lost.
    Lost,
    /// It is said to be carried out, and isn't.
    Nothing,
}

fn refused(status: u16) -> Error {
    Error::Refused {
        doing: "writing".into(),
        host: "http://c".into(),
        status,
        message: "no".into(),
        retry_after: None,
    }
}

impl Memory {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn write(
        &self,
        write: impl FnOnce(&mut Vec<Item>) -> Item,
        otherwise: Item,
    ) -> Result<Item, Error> {
        let mut fates = self.fates.lock().unwrap();
        let fate = (!fates.is_empty()).then(|| fates.remove(0));
        match fate {
            Some(Fate::Refused(status)) => return Err(refused(status)),
            Some(Fate::Nothing) => return Ok(otherwise),
            _ => {}
        }
        let item = write(&mut self.items.lock().unwrap());
        match fate {
            Some(Fate::Lost) => Err(Error::Unreachable {
                doing: "writing".into(),
                host: "http://c".into(),
                cause: "reset".into(),
            }),
            _ => Ok(item),
        }
    }

    fn values(&self) -> Vec<String> {
        let items = self.items.lock().unwrap();
        let fields = items.iter().flat_map(|item| &item.fields);
        fields
            .map(|f| format!("{}={}", f.label, f.value.as_ref().unwrap().expose_secret()))
            .collect()
    }
}

fn field(id: &str, field: &NewField) -> Field {
    Field {
        id: id.to_owned(),
        label: field.label.clone(),
        section: None,
        value: Some(field.value.clone()),
    }
}

#[async_trait]
impl OnePassword for Memory {
    async fn vaults_named(&self, name: &str) -> Result<Vec<Vault>, Error> {
        self.note("vaults".into());
        let ids: &[&str] = match name {
            "two" => &["a", "b"],
            "v" => &["v1"],
            _ => &[],
        };
        let vault = |id: &&str| Vault {
            id: (*id).to_owned(),
            name: name.to_owned(),
        };
        Ok(ids.iter().map(vault).collect())
    }

    async fn vault(&self, id: &str) -> Result<Vault, Error> {
        panic!("{id}")
    }

    async fn items_titled(&self, _vault: &str, title: &str) -> Result<Vec<ItemSummary>, Error> {
        self.note("list".into());
        let items = self.items.lock().unwrap();
        let titled = items.iter().map(|item| ItemSummary {
            id: item.id.clone(),
            title: title.to_owned(),
        });
        Ok(titled.collect())
    }

    async fn item(&self, _vault: &str, id: &str) -> Result<Item, Error> {
        self.note("read".into());
        let items = self.items.lock().unwrap();
        Ok(items.iter().find(|item| item.id == id).unwrap().clone())
    }

    async fn create(&self, _vault: &str, item: &NewItem) -> Result<Item, Error> {
        self.note("make".into());
        let fields = item.fields.iter().enumerate();
        let made = Item {
            id: "i".into(),
            sections: Vec::new(),
            fields: fields.map(|(n, f)| field(&n.to_string(), f)).collect(),
        };
        let keep = |items: &mut Vec<Item>| {
            items.push(made.clone());
            made.clone()
        };
        self.write(keep, made.clone())
    }

    async fn change(&self, _vault: &str, id: &str, changes: &[FieldChange]) -> Result<Item, Error> {
        self.note(format!("change {}", changes.len()));
        let items = self.items.lock().unwrap().clone();
        let before = items.iter().find(|item| item.id == id).unwrap().clone();
        let change = |items: &mut Vec<Item>| {
            let item = items.iter_mut().find(|item| item.id == id).unwrap();
            for change in changes {
                match change {
                    FieldChange::Add(new) => item.fields.push(field(&new.label, new)),
                    FieldChange::Set { id, value } => {
                        let field = item.fields.iter_mut().find(|f| f.id == *id).unwrap();
                        field.value = Some(value.clone());
                    }
                }
            }
            item.clone()
        };
        self.write(change, before)
    }
}

fn outputs(values: &[(&'static str, &str)]) -> Vec<Output> {
    values
        .iter()
        .map(|(label, value)| Output {
            label,
            concealed: false,
            value: (*value).into(),
        })
        .collect()
}

const BEFORE: [(&str, &str); 2] = [("one", "1"), ("two", "2")];

async fn vault(fates: &[Fate]) -> (Arc<Memory>, Writer) {
    let memory = Arc::new(Memory::default());
    let writer = Writer::new(memory.clone(), "v");
    writer.write("t", &outputs(&BEFORE)).await.unwrap();
    memory.calls.lock().unwrap().clear();
    memory.fates.lock().unwrap().extend(fates);
    (memory, writer)
}

#[tokio::test]
async fn an_item_is_read_once_written_once_and_read_back() {
    let memory = Arc::new(Memory::default());
    let writer = Writer::new(memory.clone(), "v");
    let write = async |values: &[(&'static str, &str)]| writer.write("t", &outputs(values)).await;
    assert_eq!(write(&BEFORE).await, Ok(Written::Made));
    assert_eq!(
        *memory.calls.lock().unwrap(),
        ["vaults", "list", "make", "read"]
    );
    memory.calls.lock().unwrap().clear();

    assert_eq!(write(&[("one", "1")]).await, Ok(Written::Unchanged));
    assert_eq!(*memory.calls.lock().unwrap(), ["list", "read"]);
    memory.calls.lock().unwrap().clear();

    let changed = write(&[("two", "b"), ("three", "3"), ("one", "1")]).await;
    assert_eq!(changed, Ok(Written::Changed));
    assert_eq!(
        *memory.calls.lock().unwrap(),
        ["list", "read", "change 2", "read"]
    );
    assert_eq!(memory.values(), ["one=1", "two=b", "three=3"]);
}

#[tokio::test(start_paused = true)]
async fn conflicts_limits_and_lost_answers_are_mended() {
    let fates = [
        Fate::Refused(409),
        Fate::Refused(429),
        Fate::Nothing,
        Fate::Refused(503),
        Fate::Lost,
    ];
    let (memory, writer) = vault(&fates).await;
    let values = outputs(&[("two", "b"), ("three", "3")]);
    assert_eq!(writer.write("t", &values).await, Ok(Written::Changed));
    assert_eq!(memory.values(), ["one=1", "two=b", "three=3"]);
}

#[tokio::test(start_paused = true)]
async fn an_item_whose_making_was_lost_is_not_made_twice() {
    let memory = Arc::new(Memory::default());
    memory.fates.lock().unwrap().push(Fate::Lost);
    let writer = Writer::new(memory.clone(), "v");
    let made = writer.write("t", &outputs(&BEFORE)).await;
    assert_eq!(made, Ok(Written::Made));
    assert_eq!(memory.items.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_told_at_once_and_what_does_not_end_in_the_end() {
    let (memory, writer) = vault(&[Fate::Refused(403)]).await;
    let values = outputs(&[("two", "b")]);
    let error = writer.write("t", &values).await.unwrap_err();
    assert_eq!(error, refused(403).into());
    assert_eq!(memory.values(), ["one=1", "two=2"]);

    let (_, writer) = vault(&[Fate::Refused(409); 8]).await;
    assert_eq!(writer.write("t", &values).await, Err(refused(409).into()));

    let (_, writer) = vault(&[Fate::Nothing; 8]).await;
    let error = writer.write("t", &values).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "item \"t\" was written 8 times and still reads otherwise"
    );
}

#[tokio::test]
async fn vaults_and_fields_that_cannot_be_told_apart_are_named() {
    let writer = Writer::new(Arc::new(Memory::default()), "two");
    let error = writer.write("t", &outputs(&BEFORE)).await.unwrap_err();
    assert_eq!(error.to_string(), "several vaults are named \"two\": a, b");

    let item = Item {
        id: "i".into(),
        sections: Vec::new(),
        fields: ["x", "y"]
            .map(|id| Field {
                id: id.into(),
                label: "one".into(),
                section: None,
                value: None,
            })
            .into(),
    };
    let (memory, writer) = vault(&[]).await;
    let mut twin = memory.items.lock().unwrap()[0].clone();
    twin.id = "j".into();
    memory.items.lock().unwrap().push(twin);
    let error = writer.write("t", &outputs(&BEFORE)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "vault \"v\" has several items \"t\": i, j"
    );

    let error = Change::needed(Some(&item), "t", &outputs(&BEFORE)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "item \"t\" has several fields \"one\": x, y"
    );
}
