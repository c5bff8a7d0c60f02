"""PyGithub reads the statuses that psk wrote.

    github_reader.py SHA PREFIX TOKEN

Prints a line for each status of the commit whose context begins with PREFIX: `context state description`. TOKEN is a
person's.
"""

import os
import sys

import github

# Who made the latest statuses: an app.
CREATOR = "acme-releases[bot]"


def main():
    sha, prefix, person = sys.argv[1:]
    client = _client(os.environ["GITHUB_TOKEN"])
    repository = client.get_repo(os.environ["GITHUB_REPOSITORY"])
    commit = repository.get_commit(sha)
    assert commit.sha == sha, commit
    # Not by get_statuses(): PyGithub asks for that under a path that GitHub's description doesn't have.
    for status in commit.get_combined_status().statuses:
        assert status.created_at.tzinfo and status.updated_at >= status.created_at, status.raw_data
        if status.context.startswith(prefix):
            print(status.context, status.state, status.description)
    _around(client, repository, sha)
    _released(repository)
    # An installation can't be told who it is, a person can.
    assert _client(person).get_user().login == "ada"


def _client(token):
    return github.Github(
        base_url=os.environ["GITHUB_API_URL"], auth=github.Auth.Token(token), retry=None, per_page=2
    )


def _released(repository):
    """Reads what psk released, and what it told of it."""
    tag = os.environ["PSK_TAG"]
    release = repository.get_release(tag)
    assert release.tag_name == tag and "Second" in release.body, release.raw_data
    assert tag in [one.tag_name for one in repository.get_releases()]
    compared = repository.compare("v0.0.0-before", tag)
    assert [commit.commit.message for commit in compared.commits] == ["Second"], compared.raw_data


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
