"""Runs all calls against the lab that the environment points at."""

import sys

from . import ec2, efs, eks, events, here, iam, kms, logs, sqs, ssm, sts

SERVICES = {
    "sts": sts,
    "iam": iam,
    "kms": kms,
    "logs": logs,
    "ssm": ssm,
    "sqs": sqs,
    "events": events,
    "ec2": ec2,
    "efs": efs,
    "eks": eks,
}


def main():
    session = here.assumed()
    for name in sys.argv[1:] or SERVICES:
        SERVICES[name].run(session)


if __name__ == "__main__":
    main()
