"""Amazon EventBridge."""

import json

from . import here
from .here import ACCOUNT, REGION, TAGS, key_value, pages, refused

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:boto3-events"


def run(session):
    events, sqs = (session.client(name, config=here.CONFIG) for name in ("events", "sqs"))
    queue = sqs.create_queue(QueueName="boto3-events")["QueueUrl"]
    rule = {"Name": "boto3-rule"}
    pattern = json.dumps({"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]})
    arn = events.put_rule(**rule, EventPattern=pattern, State="ENABLED", Description="x", Tags=key_value(TAGS))["RuleArn"]
    refused("InvalidEventPatternException", events.put_rule, **rule, EventPattern="{}x")
    got = events.describe_rule(**rule)
    assert got["Arn"] == arn and json.loads(got["EventPattern"]) == json.loads(pattern), got
    error = refused("ResourceNotFoundException", events.describe_rule, Name="none")
    assert isinstance(error, events.exceptions.ResourceNotFoundException), error
    assert [r["Name"] for r in pages(events, "list_rules", "Rules", NamePrefix="boto3")] == ["boto3-rule"]
    events.disable_rule(**rule)
    assert events.describe_rule(**rule)["State"] == "DISABLED"
    events.enable_rule(**rule)
    answer = events.put_targets(Rule="boto3-rule", Targets=[{"Id": "queue", "Arn": QUEUE}])
    assert answer["FailedEntryCount"] == 0, answer
    targets = pages(events, "list_targets_by_rule", "Targets", Rule="boto3-rule")
    assert targets == [{"Id": "queue", "Arn": QUEUE}], targets
    assert pages(events, "list_rule_names_by_target", "RuleNames", TargetArn=QUEUE) == ["boto3-rule"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "more", "Value": "yes"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["purpose"])
    tags = events.list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert {tag["Key"] for tag in tags} == {"made-by", "more"}, tags
    refused("ValidationException", events.delete_rule, **rule)
    assert events.remove_targets(Rule="boto3-rule", Ids=["queue"])["FailedEntryCount"] == 0
    events.delete_rule(**rule)
    scheduled = events.put_rule(Name="boto3-schedule", ScheduleExpression="rate(5 minutes)")
    assert scheduled["RuleArn"], scheduled
    events.delete_rule(Name="boto3-schedule")
    sqs.delete_queue(QueueUrl=queue)
