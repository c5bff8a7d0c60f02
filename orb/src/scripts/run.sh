#!/usr/bin/env bash
# Runs psk as the step's variables say. Each argument reaches psk as it stands: nothing in a role, branch, tag or
# argument is expanded or run.
set -euo pipefail

results=${PSK_RESULTS:-psk-results}
export PATH="${PSK_HOME:-$HOME/.psk}/bin:$PATH"

# Gives psk a variable under the name that it knows, from the variable whose name the job was given.
pass_on() {
  local known=$1 given=${2:-}
  if [[ -n $given && $given != "$known" && -n ${!given:-} ]]; then
    export "$known=${!given}"
  fi
}
pass_on AWS_ROLE_ARN "${PSK_AWS_ROLE_ARN_NAME:-}"
pass_on OP_CONNECT_HOST "${PSK_CONNECT_HOST_NAME:-}"
pass_on OP_CONNECT_TOKEN "${PSK_CONNECT_TOKEN_NAME:-}"
pass_on GITHUB_TOKEN "${PSK_GITHUB_TOKEN_NAME:-}"

# A token that AWS trusts, where there is a role to exchange it for and CircleCI gave none by itself.
if [[ -n ${AWS_ROLE_ARN:-} && ${CIRCLECI:-} == true && -z ${CIRCLE_OIDC_TOKEN_V2:-}${CIRCLE_OIDC_TOKEN:-} ]]; then
  if command -v circleci > /dev/null; then
    CIRCLE_OIDC_TOKEN_V2=$(circleci run oidc get --claims '{"aud": "sts.amazonaws.com"}')
    export CIRCLE_OIDC_TOKEN_V2
  else
    echo "psk: AWS_ROLE_ARN is set, but this job has no identity token: give it a context" >&2
    exit 2
  fi
fi

# GitHub hides in its logs what it is told to, line by line. Its runner takes these lines for itself.
if [[ ${GITHUB_ACTIONS:-} == true ]]; then
  for secret in "${OP_CONNECT_TOKEN:-}" "${GITHUB_TOKEN:-}"; do
    while IFS= read -r line; do
      if [[ -n $line ]]; then
        printf '::add-mask::%s\n' "${line//%/%25}"
      fi
    done <<< "$secret"
  done
fi

read -ra words <<< "${PSK_COMMAND:?}"
# A deployment whose plan was approved applies that one.
if [[ ${words[0]} == fanout && -n ${PSK_PLAN_FILE:-} ]]; then
  words=(apply)
fi
command=("${words[@]}")
if [[ ${words[0]} == apply && -n ${PSK_PLAN_FILE:-} ]]; then
  command+=("$PSK_PLAN_FILE")
fi
if [[ -n ${PSK_ROLE:-} ]]; then
  command+=(--role "$PSK_ROLE")
fi
case ${words[0]} in
  inject)
    command+=(-i "${PSK_INPUT:?}" -o "${PSK_OUTPUT:?}")
    ;;
  fanout | plan | apply | verify | drift)
    mkdir -p "$results"
    command+=(--report "$results/report.json" --junit "$results/junit.xml")
    ;;
esac
if [[ ${words[0]} == plan && -n ${PSK_PLAN_FILE:-} ]]; then
  mkdir -p "$(dirname -- "$PSK_PLAN_FILE")"
  command+=(--out "$PSK_PLAN_FILE")
fi
if [[ -n ${PSK_ARGS:-} ]]; then
  # Parted at blanks and newlines, and that is all: no pattern, quote or variable means anything here.
  read -r -d '' -a arguments <<< "$PSK_ARGS" || true
  command+=("${arguments[@]}")
fi

# The shell itself may be sent the signal that ends a job: psk has to hear of it, and gets the time to finish.
psk "${command[@]}" &
child=$!
trap 'kill -TERM "$child" 2> /dev/null || true' TERM
trap 'kill -INT "$child" 2> /dev/null || true' INT
code=0
wait "$child" || code=$?
# A trapped signal ends the first wait; what psk ended with is known only after a second.
while kill -0 "$child" 2> /dev/null; do
  code=0
  wait "$child" || code=$?
done
exit "$code"
