"""Compares what the lab's Kubernetes API said with what a real kube-apiserver did.

    kubernetes_compare.py REAL LAB

Both are transcripts of tests/peers/kubernetes_transcript.py. Prints one JSON object: `answered`, the scenes in which
all was the same, as `kubernetes:scene`; `problems`, what differs; `faults`, what differs because Kubernetes changed
between the two versions, and `known_faults`, all that should for this one.
"""

import json
import sys

from kubernetes_changes import changes


def read(path):
    """The version of the server that a transcript is of, and its exchanges."""
    with open(path, encoding="utf-8") as lines:
        head, *exchanges = map(json.loads, lines)
    return head["server"], exchanges


def differences(real, lab, place=""):
    """Where two values differ, and how."""
    if isinstance(real, dict) and isinstance(lab, dict):
        found = []
        for key in sorted(real.keys() | lab.keys()):
            at = f"{place}.{key}" if place else key
            if key not in lab:
                found.append(f"{at}: the lab lacks {_told(real[key])}")
            elif key not in real:
                found.append(f"{at}: the lab adds {_told(lab[key])}")
            else:
                found += differences(real[key], lab[key], at)
        return found
    if isinstance(real, list) and isinstance(lab, list) and len(real) == len(lab):
        pairs = enumerate(zip(real, lab))
        return [one for index, (a, b) in pairs for one in differences(a, b, f"{place}[{index}]")]
    # A number isn't the truth value that equals it in Python.
    if real == lab and type(real) is type(lab):
        return []
    return [f"{place}: {_told(lab)} instead of {_told(real)}"]


def _told(value):
    return json.dumps(value, sort_keys=True)


def compare(real, lab):
    version, real = real
    _, lab = lab
    known, used, problems, wrong = changes(version), set(), [], set()
    for index in range(max(len(real), len(lab))):
        asked = [side[index]["asked"] if index < len(side) else None for side in (real, lab)]
        scene = (asked[0] or asked[1]).partition(":")[0]
        if asked[0] != asked[1]:
            # What follows is about other things.
            problems.append(f"exchange {index + 1}: {asked[1]} instead of {asked[0]}")
            wrong.add(scene)
            break
        for change in known:
            if change.takes_back(real[index], lab[index]):
                used.add(change.told())
        found = differences(real[index], lab[index])
        problems += [f"exchange {index + 1}, {asked[0]}: {one}" for one in found]
        if found:
            wrong.add(scene)
    scenes = {line["asked"].partition(":")[0] for line in real}
    return {
        "answered": sorted(f"kubernetes:{scene}" for scene in scenes - wrong),
        "faults": sorted(used),
        "known_faults": sorted({change.told() for change in known}),
        "problems": problems,
    }


if __name__ == "__main__":
    json.dump(compare(*map(read, sys.argv[1:])), sys.stdout, indent=1)
