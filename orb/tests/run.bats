#!/usr/bin/env bats
# What run.sh hands to psk: a stand-in writes down its arguments and what it was told.

setup() {
  script="$BATS_TEST_DIRNAME/../src/scripts/run.sh"
  cd "$BATS_TEST_TMPDIR" || exit 1
  mkdir -p bin home/bin
  cat > home/bin/psk << 'STUB'
#!/usr/bin/env bash
printf '%s\n' "$@" > "$BATS_TEST_TMPDIR/arguments"
printf '%s' "${AWS_ROLE_ARN:-}|${OP_CONNECT_HOST:-}|${CIRCLE_OIDC_TOKEN_V2:-}" > "$BATS_TEST_TMPDIR/told"
exit "${STUB_CODE:-0}"
STUB
  chmod +x home/bin/psk
  export PSK_HOME="$BATS_TEST_TMPDIR/home"
  unset CIRCLECI CIRCLE_OIDC_TOKEN CIRCLE_OIDC_TOKEN_V2 AWS_ROLE_ARN OP_CONNECT_HOST
}

arguments() { paste -sd ' ' arguments; }

@test "a role is deployed with its report and its test results" {
  PSK_COMMAND=fanout PSK_ROLE=prod run bash "$script"
  [ "$status" -eq 0 ]
  [ "$(arguments)" = "fanout --role prod --report psk-results/report.json --junit psk-results/junit.xml" ]
}

@test "a plan is saved in a directory of its own" {
  PSK_COMMAND=plan PSK_ROLE=prod PSK_PLAN_FILE=psk-plan/plan.json run bash "$script"
  [[ "$(arguments)" = *"--out psk-plan/plan.json" ]]
  [ -d psk-plan ]
}

@test "a plan that was approved is applied" {
  PSK_COMMAND=fanout PSK_ROLE=prod PSK_PLAN_FILE=psk-plan/prod.json PSK_ARGS='--shard 1/2' run bash "$script"
  [ "$status" -eq 0 ]
  [ "$(arguments)" = "apply psk-plan/prod.json --role prod --report psk-results/report.json --junit psk-results/junit.xml --shard 1/2" ]
}

@test "arguments are parted at blanks and nothing in them is run" {
  PSK_COMMAND='promote seal' PSK_ROLE=prod PSK_ARGS=$'--shard 1/2\n $(touch owned) * "a b" ;touch owned `id`' run bash "$script"
  [ "$status" -eq 0 ]
  [ ! -e owned ]
  [ "$(arguments)" = 'promote seal --role prod --shard 1/2 $(touch owned) * "a b" ;touch owned `id`' ]
}

@test "a hostile role is one argument" {
  PSK_COMMAND=fanout PSK_ROLE=$'x; touch owned $(touch owned)\n--force' run bash "$script"
  [ ! -e owned ]
  [ "$(sed -n 3p arguments)" = 'x; touch owned $(touch owned)' ]
}

@test "psk's exit code is the step's" {
  STUB_CODE=10 PSK_COMMAND=fanout PSK_ROLE=qa run bash "$script"
  [ "$status" -eq 10 ]
}

@test "secrets come from the variables that the job names" {
  MY_ARN=arn:x MY_HOST=http://h PSK_AWS_ROLE_ARN_NAME=MY_ARN PSK_CONNECT_HOST_NAME=MY_HOST \
    PSK_COMMAND=plan PSK_ROLE=qa run bash "$script"
  [ "$(cat told)" = "arn:x|http://h|" ]
}

@test "an identity token is asked for where there is a role and none was given" {
  printf '#!/bin/sh\necho "token for $*"\n' > bin/circleci
  chmod +x bin/circleci
  PATH="$BATS_TEST_TMPDIR/bin:$PATH" CIRCLECI=true AWS_ROLE_ARN=arn:x PSK_COMMAND=plan PSK_ROLE=qa run bash "$script"
  [ "$status" -eq 0 ]
  [[ "$(cat told)" = "arn:x||token for run oidc get"* ]]
}

@test "secrets are masked in GitHub's logs, line by line" {
  GITHUB_ACTIONS=true OP_CONNECT_TOKEN=$'to%ken\nsecond' GITHUB_TOKEN='' PSK_COMMAND=plan PSK_ROLE=qa run bash "$script"
  [ "${lines[0]}" = "::add-mask::to%25ken" ]
  [ "${lines[1]}" = "::add-mask::second" ]
  [ "${#lines[@]}" -eq 2 ]
}

@test "a file is injected, and has no role" {
  PSK_COMMAND=inject PSK_INPUT=a.tpl PSK_OUTPUT=a run bash "$script"
  [ "$(arguments)" = "inject -i a.tpl -o a" ]
}

@test "a signal reaches psk, and what psk ends with is kept" {
  cat > home/bin/psk << 'STUB'
#!/usr/bin/env bash
trap 'echo heard > "$BATS_TEST_TMPDIR/heard"; exit 143' TERM
echo ready > "$BATS_TEST_TMPDIR/ready"
while :; do read -r -t 1 < /dev/zero || true; done
STUB
  PSK_COMMAND=fanout PSK_ROLE=qa bash "$script" 3>&- &
  shell=$!
  until [ -e ready ]; do :; done
  kill -TERM "$shell"
  code=0
  wait "$shell" || code=$?
  [ -e heard ]
  [ "$code" -eq 143 ]
}
