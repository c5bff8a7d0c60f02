"""The AWS CLI makes a cluster in the lab, upgrades it and deletes it, with its own waiters.

The CLI runs in this process, command line by command line: its start takes longer than what it does. In the lab's time
what takes EKS half an hour is over before the CLI asks; its waiters ask every 30 seconds, and those that wait in
earnest are boto3's, in calls/eks.py.
"""

import contextlib
import io
import json
import os
import tempfile

from awscli.clidriver import create_clidriver

from calls.here import ROLE, trust

PROFILE = f"[profile cluster]\ncredential_source = Environment\nrole_arn = {ROLE}\n"


def aws(line, *arguments):
    """Runs a command line, with further arguments that may hold spaces, and returns what it printed."""
    words = ["--profile", "cluster", "--output", "json", *line.split(), *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = create_clidriver().main(words)
    assert code == 0, f"aws {line}: exit code {code}"
    return json.loads(printed.getvalue() or "null")


def _role(name, service, policies):
    made = aws(f"iam create-role --role-name {name} --assume-role-policy-document", trust(service))
    for policy in policies:
        aws(f"iam attach-role-policy --role-name {name} --policy-arn arn:aws:iam::aws:policy/{policy}")
    return made["Role"]["Arn"]


def run():
    """From nothing to a cluster, to its next version, and to nothing."""
    role = _role("cli", "eks.amazonaws.com", ["AmazonEKSClusterPolicy"])
    node_policies = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"]
    nodes = _role("cli-nodes", "ec2.amazonaws.com", node_policies)
    of_nodes = "Name=tag:Tier,Values=node Name=tag:Name,Values=qa-i01-aws-us-east-1-*"
    subnets = aws(f"ec2 describe-subnets --filters {of_nodes} --query Subnets[].SubnetId")
    assert len(subnets) >= 2, subnets

    network = f"subnetIds={','.join(subnets)}"
    made = aws(
        f"eks create-cluster --name cli --kubernetes-version 1.34 --role-arn {role} --resources-vpc-config {network}"
    )
    assert made["cluster"]["status"] == "CREATING", made
    aws("eks wait cluster-active --name cli")
    group = "--cluster-name cli --nodegroup-name nodes"
    aws(f"eks create-nodegroup {group} --node-role {nodes} --subnets {' '.join(subnets)}")
    aws(f"eks wait nodegroup-active {group}")
    addon = "--cluster-name cli --addon-name vpc-cni"
    aws(f"eks create-addon {addon} --resolve-conflicts OVERWRITE")
    aws(f"eks wait addon-active {addon}")

    aws("eks update-cluster-version --name cli --kubernetes-version 1.35")
    aws("eks wait cluster-active --name cli")
    assert aws("eks describe-cluster --name cli")["cluster"]["version"] == "1.35"

    aws(f"eks delete-addon {addon}")
    aws(f"eks wait addon-deleted {addon}")
    aws(f"eks delete-nodegroup {group}")
    aws(f"eks wait nodegroup-deleted {group}")
    aws("eks delete-cluster --name cli")
    aws("eks wait cluster-deleted --name cli")
    assert aws("eks list-clusters")["clusters"] == []


def main():
    with tempfile.TemporaryDirectory() as home:
        config = os.path.join(home, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(PROFILE)
        os.environ |= {"HOME": home, "AWS_CONFIG_FILE": config}
        run()


if __name__ == "__main__":
    main()
