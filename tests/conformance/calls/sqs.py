"""Amazon SQS."""

from . import here
from .here import ACCOUNT, REGION, TAGS, pages, policy, refused


def run(session):
    sqs = session.client("sqs", config=here.CONFIG)
    url = sqs.create_queue(
        QueueName="boto3", Attributes={"MessageRetentionPeriod": "300", "SqsManagedSseEnabled": "true"}, tags=TAGS
    )["QueueUrl"]
    queue = {"QueueUrl": url}
    error = refused("QueueAlreadyExists", sqs.create_queue, QueueName="boto3", Attributes={"DelaySeconds": "5"})
    assert isinstance(error, sqs.exceptions.QueueNameExists), error
    assert sqs.get_queue_url(QueueName="boto3")["QueueUrl"] == url
    error = refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="none")
    assert isinstance(error, sqs.exceptions.QueueDoesNotExist), error
    assert pages(sqs, "list_queues", "QueueUrls", QueueNamePrefix="boto3") == [url]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:boto3"
    document = policy(
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    )
    sqs.set_queue_attributes(**queue, Attributes={"Policy": document, "VisibilityTimeout": "60"})
    attributes = sqs.get_queue_attributes(**queue, AttributeNames=["All"])["Attributes"]
    assert attributes["QueueArn"] == arn and attributes["MessageRetentionPeriod"] == "300", attributes
    refused("InvalidAttributeValue", sqs.set_queue_attributes, **queue, Attributes={"VisibilityTimeout": "-1"})
    sqs.tag_queue(**queue, Tags={"more": "yes"})
    sqs.untag_queue(**queue, TagKeys=["purpose"])
    assert sqs.list_queue_tags(**queue)["Tags"] == {"made-by": "boto3", "more": "yes"}
    sqs.delete_queue(**queue)
    refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_attributes, **queue)
