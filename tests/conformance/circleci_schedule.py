"""Reads a schedule in the lab's CircleCI and takes it away.

    circleci_schedule.py ID
"""

import os
import sys

import requests


def main():
    url = f"{os.environ['CIRCLECI_CLI_HOST']}/api/v2/schedule/{sys.argv[1]}"
    headers = {"circle-token": os.environ["CIRCLE_TOKEN"]}
    for method, status in (("GET", 200), ("DELETE", 200), ("GET", 404)):
        answer = requests.request(method, url, headers=headers, timeout=10)
        assert answer.status_code == status, answer.text


if __name__ == "__main__":
    main()
