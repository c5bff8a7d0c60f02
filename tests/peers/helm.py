"""As much of the helm CLI as psk uses, over the engine of Helm 4 itself.

Only for tests: the package helm-python-sdk carries Helm's own code as a library and no command line.
"""

import argparse
import json
import os
import sys

import helm_python


def arguments():
    parser = argparse.ArgumentParser(prog="helm")
    commands = parser.add_subparsers(dest="command", required=True)

    version = commands.add_parser("version")
    version.add_argument("--template")

    upgrade = commands.add_parser("upgrade")
    upgrade.add_argument("release")
    upgrade.add_argument("chart")
    upgrade.add_argument("--install", action="store_true")
    upgrade.add_argument("--version")
    upgrade.add_argument("--values")
    upgrade.add_argument("--history-max", type=int)
    upgrade.add_argument("--wait", action="store_true")
    upgrade.add_argument("--timeout", default="300s")

    rollback = commands.add_parser("rollback")
    rollback.add_argument("release")
    rollback.add_argument("revision", type=int)

    uninstall = commands.add_parser("uninstall")
    uninstall.add_argument("release")

    for command in (upgrade, rollback, uninstall):
        command.add_argument("--namespace", default="default")
    return parser.parse_args()


def is_installed(config, release):
    try:
        return any(r["status"] != "uninstalled" for r in config.history(release))
    except helm_python.HelmNotFoundError:
        return False


def upgrade(config, asked):
    values = json.load(sys.stdin) if asked.values == "-" else {}
    how = {
        "namespace": asked.namespace,
        "chart_version": None if os.path.isdir(asked.chart) else asked.version,
        "wait": "watcher" if asked.wait else None,
        "timeout": int(asked.timeout.rstrip("s")),
    }
    if asked.install and not is_installed(config, asked.release):
        done = config.install(asked.chart, asked.release, values, **how)
    else:
        done = config.upgrade(asked.chart, asked.release, values, max_history=asked.history_max, **how)
    print(f"Release \"{asked.release}\" is {done['status']} at revision {done['revision']}")


def main():
    asked = arguments()
    if asked.command == "version":
        print(helm_python.helm_sdk_version())
        return
    config = helm_python.Config(
        kube_apiserver=os.environ["HELM_KUBEAPISERVER"],
        kube_ca_file=os.environ["HELM_KUBECAFILE"],
        kube_token=os.environ["HELM_KUBETOKEN"],
        namespace=asked.namespace,
    )
    with config:
        if asked.command == "upgrade":
            upgrade(config, asked)
        elif asked.command == "rollback":
            config.rollback(asked.release, version=asked.revision)
        else:
            config.uninstall(asked.release)


if __name__ == "__main__":
    try:
        main()
    except helm_python.HelmError as error:
        sys.exit(f"Error: {error}")
