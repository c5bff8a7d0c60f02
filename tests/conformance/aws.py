"""Validates a transcript of the lab against botocore's service models.

    aws.py TRANSCRIPT

Prints one JSON object: `answered`, the operations that were answered with success at least once as
`service:Operation`; `refused`, the same for errors, with the codes; `faults`, what the models got
wrong; `known_faults`, what they are known to get wrong; `problems`, everything that a request or an
answer has and its model doesn't.
"""

import collections
import json
import sys

import botocore.session

import model
import wire

# The names of services in credential scopes for which botocore has others.
MODELS = {"elasticfilesystem": "efs"}
SERVICES = {"sts", "iam", "ec2", "kms", "logs", "ssm", "eks", "elasticfilesystem", "sqs", "events"}

# What any operation may be refused with, whatever its model lists. Source: the page "Common Error Types" (before:
# "Common Errors") of each service's API reference; for EC2, whose model lists no error, "Error codes for the Amazon
# EC2 API".
COMMON_ERRORS = {
    "AccessDenied": 403,
    "AccessDeniedException": (400, 403),
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 400,
    "IncompleteSignatureException": (400, 403),
    "InternalFailure": 500,
    "InvalidAction": 400,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "MalformedQueryString": (400, 404),
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "MissingParameter": 400,
    "RequestExpired": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 400,
    "ThrottlingException": (400, 429),
    "UnknownOperationException": (400, 404),
    "UnrecognizedClientException": (400, 403),
    "ValidationError": 400,
    "ValidationException": 400,
}


class Checker:
    """Checks exchanges one by one, and keeps what it found."""

    def __init__(self):
        self.session = botocore.session.get_session()
        self.models = {}
        self.answered = collections.Counter()
        self.refused = collections.defaultdict(set)
        self.problems = []
        self.excused = set()

    def model(self, service):
        if service not in self.models:
            self.models[service] = self.session.get_service_model(MODELS.get(service, service))
        return self.models[service]

    def check(self, exchange):
        service, name = exchange["service"], exchange["operation"]
        told = f"{service} {name}"
        if service not in SERVICES:
            return
        if name not in self.model(service).operation_names:
            self.problems.append(f"{told}: the model has no such operation: {exchange['request']['target']}")
            return
        operation = self.model(service).operation_model(name)
        response = exchange["response"]
        request = (operation.input_shape, wire.read_request, exchange["request"])
        self._hold(f"{told} request", service, operation, *request, of_answer=False)
        if response is not None and response["status"] < 300:
            answer = (operation.output_shape, wire.read_answer, response)
            self._hold(f"{told} answer", service, operation, *answer, of_answer=True)
            self.answered[f"{service}:{name}"] += 1
        elif response is not None:
            self._error(told, service, operation, response)

    def _hold(self, told, service, operation, shape, read, message, of_answer):
        found = model.Findings(service, of_answer=of_answer)
        members = read(operation, message, found)
        if shape is not None:
            model.check(shape, members, "", found)
        self._add(told, found)

    def _error(self, told, service, operation, response):
        found = model.Findings(service, of_answer=True)
        code, members = wire.read_error(operation, response, found)
        shape = next((s for s in operation.error_shapes if code in (s.error_code, s.name)), None)
        if shape is not None:
            self._error_shape(shape, members, response["status"], found)
        elif code in COMMON_ERRORS:
            allowed = COMMON_ERRORS[code]
            if response["status"] not in (allowed if isinstance(allowed, tuple) else (allowed,)):
                found.append(f"status {response['status']}, documented is {allowed}")
        elif service != "ec2":
            found.append(f"neither this operation nor every one is refused with {code!r}")
        self.refused[f"{service}:{operation.name}"].add(code)
        self._add(f"{told} error {code}", found)

    def _error_shape(self, shape, members, status, found):
        documented = shape.metadata.get("error", {}).get("httpStatusCode")
        if documented is not None and status != documented:
            found.append(f"status {status}, the model says {documented}")
        # The message is everyone's, whether the shape spells it out or not.
        members = {
            name: value
            for name, value in members.items()
            if name in shape.members or name.lower() != "message"
        }
        read = model.from_json(shape, members, "", found)
        model.check(shape, read, "", found)

    def _add(self, told, found):
        self.problems.extend(f"{told}: {problem.lstrip('.')}" for problem in found.problems)
        self.excused |= found.excused


def _told(broken):
    return [f"{service} {shape}: {model.FAULTS[service, shape, rule]}" for service, shape, rule in sorted(broken)]


def main():
    checker = Checker()
    with open(sys.argv[1], encoding="utf-8") as transcript:
        for line in transcript:
            checker.check(json.loads(line))
    # The same problem of many calls is one.
    problems = collections.Counter(checker.problems)
    json.dump(
        {
            "answered": sorted(checker.answered),
            "refused": {name: sorted(codes) for name, codes in sorted(checker.refused.items())},
            "faults": _told(checker.excused),
            "known_faults": _told(model.FAULTS),
            "problems": [f"{problem} ({count} times)" if count > 1 else problem for problem, count in problems.items()],
        },
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
