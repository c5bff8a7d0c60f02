//! Queues.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::attributes::{self, Attributes};
use super::error::{
    deleted_recently, invalid_address, invalid_parameter, missing, no_queue, queue_exists,
    unknown_attribute,
};
use super::{AFTER_DELETION, Queue, Region, arn, tags, url};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json;
use crate::wire::page::page;

const LONGEST_NAME: usize = 80;
const FIFO_SUFFIX: &str = ".fifo";
/// Most queues of a page, and how many there are if a request doesn't say.
const MOST_RESULTS: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    queue_name: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(rename = "tags", default)]
    tags: BTreeMap<String, String>,
}

/// `CreateQueue`. Where there is a queue of that name, nothing is made: its URL is answered unless
/// an attribute that the request gives is another. (Attributes that it doesn't give are no matter.)
pub(super) fn create(here: &mut Region, call: &Call) -> Answer {
    let input: Create = json::parameters(call)?;
    let name = input.queue_name.ok_or_else(|| missing("QueueName"))?;
    let is_fifo = is_fifo(&name);
    check_name(&name, &input.attributes)?;
    attributes::check(&input.attributes, is_fifo)?;
    tags::check(&input.tags)?;
    let answer = json!({ "QueueUrl": url(&call.account, &call.region, &name) });
    if let Some(queue) = here.queues.get(&name) {
        let is = attributes::effective(&queue.attributes, is_fifo);
        return match attributes::difference(&is, &input.attributes) {
            None => json::answer_1_0(&answer),
            Some(attribute) => Err(queue_exists(attribute)),
        };
    }
    here.deleted
        .retain(|_, at| call.now.duration_since(*at) < AFTER_DELETION);
    if here.deleted.contains_key(&name) {
        return Err(deleted_recently());
    }
    let mut set = Attributes::new();
    attributes::set(&mut set, input.attributes);
    let queue = Queue {
        name: name.clone(),
        attributes: set,
        tags: input.tags,
        created_at: call.now,
        modified_at: call.now,
    };
    here.queues.insert(name, queue);
    json::answer_1_0(&answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct FindUrl {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

/// `GetQueueUrl`.
pub(super) fn find_url(here: &mut Region, call: &Call) -> Answer {
    let input: FindUrl = json::parameters(call)?;
    let name = input.queue_name.ok_or_else(|| missing("QueueName"))?;
    let is_own = input.owner.is_none_or(|owner| owner == call.account);
    if !is_own || !here.queues.contains_key(&name) {
        return Err(no_queue());
    }
    json::answer_1_0(&json!({ "QueueUrl": url(&call.account, &call.region, &name) }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    #[serde(default)]
    queue_name_prefix: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `ListQueues`. There are pages only for who asks for them by `MaxResults`.
pub(super) fn list(here: &mut Region, call: &Call) -> Answer {
    let input: List = json::parameters(call)?;
    let most = input.max_results.unwrap_or(MOST_RESULTS);
    if !(1..=MOST_RESULTS).contains(&most) {
        return Err(invalid_parameter(format!(
            "Value {most} for parameter MaxResults is invalid. Reason: Must be between 1 and \
             {MOST_RESULTS}, if provided."
        )));
    }
    let items = here
        .queues
        .keys()
        .filter(|name| name.starts_with(&input.queue_name_prefix))
        .map(|name| (name.clone(), url(&call.account, &call.region, name)));
    let page = page(items, most, input.next_token.as_deref())
        .map_err(|_| invalid_parameter("Invalid or expired next token."))?;
    let mut answer = json!({ "QueueUrls": page.items });
    if let Some(next) = page.next.filter(|_| input.max_results.is_some()) {
        answer["NextToken"] = next.into();
    }
    json::answer_1_0(&answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetAttributes {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
}

/// `GetQueueAttributes`: those that are asked for by name, or `All`.
pub(super) fn attributes(here: &mut Region, call: &Call) -> Answer {
    let input: GetAttributes = json::parameters(call)?;
    let queue = find(here, call, input.queue_url)?;
    let asks = |name: &str| input.attribute_names.iter().any(|asked| asked == name);
    if let Some(unknown) = input
        .attribute_names
        .iter()
        .find(|name| *name != "All" && !attributes::is_known(name))
    {
        return Err(unknown_attribute(unknown));
    }
    let mut found = described(queue, call);
    found.retain(|name, _| asks("All") || asks(name));
    if found.is_empty() {
        return json::answer_1_0(&json!({}));
    }
    json::answer_1_0(&json!({ "Attributes": found }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SetAttributes {
    queue_url: Option<String>,
    attributes: Option<Attributes>,
}

/// `SetQueueAttributes`: those that are given; the others stay as they are.
pub(super) fn set_attributes(here: &mut Region, call: &Call) -> Answer {
    let input: SetAttributes = json::parameters(call)?;
    let queue = find(here, call, input.queue_url)?;
    let given = input.attributes.ok_or_else(|| missing("Attributes"))?;
    if given.contains_key(attributes::FIFO) {
        return Err(unknown_attribute(attributes::FIFO));
    }
    attributes::check(&given, is_fifo(&queue.name))?;
    attributes::set(&mut queue.attributes, given);
    queue.modified_at = call.now;
    json::answer_1_0(&json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Delete {
    queue_url: Option<String>,
}

/// `DeleteQueue`. Its name can't be had again for a minute.
pub(super) fn delete(here: &mut Region, call: &Call) -> Answer {
    let input: Delete = json::parameters(call)?;
    let name = find(here, call, input.queue_url)?.name.clone();
    here.queues.remove(&name);
    here.deleted.insert(name, call.now);
    json::answer_1_0(&json!({}))
}

/// The queue of that URL: `https://HOST/ACCOUNT/NAME`. A host of AWS has to be that of the region.
pub(super) fn find<'r>(
    here: &'r mut Region,
    call: &Call,
    url: Option<String>,
) -> Result<&'r mut Queue, ServiceError> {
    let url = url.ok_or_else(|| missing("QueueUrl"))?;
    let (account, name) = parse(&url, &call.region).ok_or_else(|| invalid_address(&url))?;
    here.queues
        .get_mut(name)
        .filter(|_| account == call.account)
        .ok_or_else(no_queue)
}

fn parse<'u>(url: &'u str, region: &str) -> Option<(&'u str, &'u str)> {
    let (_, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let (account, name) = path.split_once('/')?;
    let of_aws = host
        .strip_prefix("sqs.")
        .and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    (of_aws.is_none_or(|of| of == region) && !name.contains('/')).then_some((account, name))
}

/// All attributes of a queue.
fn described(queue: &Queue, call: &Call) -> Attributes {
    let mut all = attributes::effective(&queue.attributes, is_fifo(&queue.name));
    let told = [
        ("ApproximateNumberOfMessages", "0".to_owned()),
        ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
        ("ApproximateNumberOfMessagesNotVisible", "0".to_owned()),
        ("CreatedTimestamp", queue.created_at.as_second().to_string()),
        (
            "LastModifiedTimestamp",
            queue.modified_at.as_second().to_string(),
        ),
        ("QueueArn", arn(&call.account, &call.region, &queue.name)),
    ];
    all.extend(told.map(|(name, value)| (name.to_owned(), value)));
    all
}

fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO_SUFFIX)
}

/// Up to 80 letters, digits, hyphens and underscores, the suffix of FIFO queues among them.
fn check_name(name: &str, attributes: &Attributes) -> Result<(), ServiceError> {
    let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    let is_fine = !stem.is_empty()
        && name.len() <= LONGEST_NAME
        && stem
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_fine {
        return Err(invalid_parameter(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    let asked_fifo = attributes
        .get(attributes::FIFO)
        .is_some_and(|fifo| fifo == "true");
    if asked_fifo != is_fifo(name) {
        return Err(invalid_parameter(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
             underscores, must end with .fifo suffix and be 1 to 80 in length.",
        ));
    }
    Ok(())
}
