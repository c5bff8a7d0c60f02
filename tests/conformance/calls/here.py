"""Where the calls are made: the account and region, sessions, and what services have in common."""

import json
import time

import boto3
import botocore.config
import botocore.exceptions

ACCOUNT = "221155668855"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/PSKRoles/PSKControlPlaneBaseRole"
CLUSTER = "boto3-cluster"
TAGS = {"made-by": "boto3", "purpose": "conformance"}

# What is refused here is refused for good.
CONFIG = botocore.config.Config(retries={"total_max_attempts": 1})


def assumed(session_name="boto3"):
    """A session in the account, by the role that a pipeline has there."""
    home = boto3.client("sts", region_name=REGION, config=CONFIG)
    answer = home.assume_role(
        RoleArn=ROLE,
        RoleSessionName=session_name,
        DurationSeconds=900,
        Tags=[{"Key": "cluster", "Value": CLUSTER}],
    )
    keys = answer["Credentials"]
    return boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=REGION,
    )


def refused(code, call, **arguments):
    """Makes a call that has to be refused with that code, and returns what boto3 made of the answer."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{call.__name__}: {error}"
        return error
    raise AssertionError(f"{call.__name__} isn't refused with {code}")


def pages(client, operation, member, **arguments):
    """Everything in a list that botocore's paginator goes through."""
    answers = client.get_paginator(operation).paginate(**arguments)
    return [item for answer in answers for item in answer.get(member, [])]


def until(is_so, what):
    """Waits for something that comes about in the lab's time, which runs fast."""
    for _ in range(600):
        found = is_so()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} didn't come about")


def policy(*statements):
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service):
    """A trust policy for a service."""
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def key_value(tags):
    """Tags as a list of `Key` and `Value`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
