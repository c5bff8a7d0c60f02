//! The queue by which Karpenter hears of interruptions, and the rules that feed it.

use serde_json::json;

use super::blueprint::Blueprint;
use crate::events::{self, Rule, Target};
use crate::sqs::{self, Queue};

/// Makes the queue.
pub(super) fn queue(sqs: &mut sqs::Region, blueprint: &Blueprint<'_>) {
    let name = blueprint.queue();
    let queue = Queue {
        attributes: [
            ("MessageRetentionPeriod", "300".to_owned()),
            ("SqsManagedSseEnabled", "true".to_owned()),
            ("Policy", policy(&queue_arn(blueprint)).to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        tags: blueprint.tags.clone(),
        created_at: blueprint.made_at,
        modified_at: blueprint.made_at,
        name: name.clone(),
    };
    sqs.queues.insert(name, queue);
}

/// Makes the rules.
pub(super) fn rules(events: &mut events::Region, blueprint: &Blueprint<'_>) {
    let queue = queue_arn(blueprint);
    for planned in &blueprint.rules {
        let pattern = json!({
            "source": [planned.events.source],
            "detail-type": [planned.events.detail_type],
        });
        let rule = Rule {
            name: planned.name.clone(),
            pattern: Some(pattern.to_string()),
            schedule: None,
            state: "ENABLED".to_owned(),
            description: Some(planned.description.clone()),
            role_arn: None,
            tags: planned.tags.clone(),
            targets: [(planned.target.clone(), Target::new(&planned.target, &queue))].into(),
            created_at: blueprint.made_at,
        };
        events.rules.insert(rule.name.clone(), rule);
    }
}

fn queue_arn(blueprint: &Blueprint<'_>) -> String {
    let seed = blueprint.seed;
    sqs::arn(&seed.account, &seed.region, &blueprint.queue())
}

/// EventBridge and SQS may send, and nobody may do anything without TLS.
fn policy(queue: &str) -> serde_json::Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "SqsWrite",
                "Effect": "Allow",
                "Principal": { "Service": ["sqs.amazonaws.com", "events.amazonaws.com"] },
                "Action": "sqs:SendMessage",
                "Resource": queue,
            },
            {
                "Sid": "DenyHTTP",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": queue,
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            },
        ],
    })
}
