"""PyGithub reads the statuses that psk wrote.

    github_reader.py SHA PREFIX

Prints a line for each status of the commit whose context begins with PREFIX: `context state description`.
"""

import os
import sys

import github

# Who made the statuses, by the lab's own token.
CREATOR = "psk-release[bot]"


def main():
    sha, prefix = sys.argv[1:]
    client = github.Github(
        base_url=os.environ["GITHUB_API_URL"],
        auth=github.Auth.Token(os.environ["GITHUB_TOKEN"]),
        retry=None,
        per_page=2,
    )
    repository = client.get_repo(os.environ["GITHUB_REPOSITORY"])
    commit = repository.get_commit(sha)
    assert commit.sha == sha, commit
    # Not by get_statuses(): PyGithub asks for that under a path that GitHub's description doesn't have.
    for status in commit.get_combined_status().statuses:
        assert status.created_at.tzinfo and status.updated_at >= status.created_at, status.raw_data
        if status.context.startswith(prefix):
            print(status.context, status.state, status.description)
    _around(client, repository, sha)


def _around(client, repository, sha):
    """Reads what a release is told by besides: its branch, its tag and who is asking."""
    branch = repository.get_git_ref(f"heads/{repository.default_branch}")
    assert branch.object.sha == sha, branch.raw_data
    assert sha in [commit.sha for commit in repository.get_commits(sha=repository.default_branch)]
    tag = repository.get_git_ref(f"tags/{os.environ['PSK_TAG']}").object
    if tag.type == "tag":
        tag = repository.get_git_tag(tag.sha).object
    assert tag.sha == sha, tag
    assert client.get_user(CREATOR).login == CREATOR


if __name__ == "__main__":
    main()
