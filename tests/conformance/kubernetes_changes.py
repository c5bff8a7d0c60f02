"""What changed in Kubernetes between the version that a real server may be of and the one that the lab simulates.

A change names the release that made it. Only with servers from before that is it taken back, so that the lab is held
to all that a current server does.
"""

import re


class Change:
    """Something that servers do since a version, and how it is taken back in a pair of exchanges."""

    def __init__(self, since, what, take_back):
        self.since, self.what, self.take_back = since, what, take_back

    def told(self):
        return f"since Kubernetes 1.{self.since}, {self.what}"

    def takes_back(self, real, lab):
        """Makes both the same in this, and says whether they differed."""
        before = (repr(real), repr(lab))
        self.take_back(real, lab)
        return before != (repr(real), repr(lab))


def changes(version):
    """The changes since a version."""
    minor = int(re.match(r"v1\.(\d+)", version).group(1))
    return [change for change in ALL if minor < change.since]


ALL = []
