#!/usr/bin/env bats
# What install.sh takes for a release, and what it doesn't: a stand-in for curl serves a directory.

setup() {
  script="$BATS_TEST_DIRNAME/../src/scripts/install.sh"
  cd "$BATS_TEST_TMPDIR" || exit 1
  mkdir -p bin home served
  export PSK_HOME="$BATS_TEST_TMPDIR/home/.psk" PSK_VERSION=1.2.3 PSK_BASE_URL="$BATS_TEST_TMPDIR/served"
  unset BASH_ENV GITHUB_PATH
  cat > bin/curl << 'STUB'
#!/usr/bin/env bash
while [ $# -gt 1 ]; do
  if [ "$1" = --output ]; then out=$2; shift; fi
  shift
done
echo "$1" >> "$BATS_TEST_TMPDIR/fetched"
cp "${1/\/v1.2.3/}" "$out"
STUB
  chmod +x bin/curl
  PATH="$BATS_TEST_TMPDIR/bin:$PATH"
  for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
    name="psk-1.2.3-$target"
    mkdir -p "made/$name"
    printf '#!/bin/sh\necho "psk 1.2.3"\n' > "made/$name/psk"
    chmod +x "made/$name/psk"
    tar -C made -czf "served/$name.tar.gz" "$name"
  done
  (cd served && sha256sum ./*.tar.gz | sed 's|\./||' > SHA256SUMS)
}

@test "the archive for this machine is installed, once" {
  run bash "$script"
  [ "$status" -eq 0 ]
  [ "$("$PSK_HOME/bin/psk" --version)" = "psk 1.2.3" ]
  rm fetched
  run bash "$script"
  [ "$output" = "psk 1.2.3 is here already" ]
  [ ! -e fetched ]
}

@test "later steps find it" {
  BASH_ENV="$BATS_TEST_TMPDIR/env" GITHUB_PATH="$BATS_TEST_TMPDIR/path"
  export GITHUB_PATH
  touch "$BASH_ENV"
  BASH_ENV="$BATS_TEST_TMPDIR/env" run env BASH_ENV="$BATS_TEST_TMPDIR/env" bash "$script"
  [ "$status" -eq 0 ]
  [ "$(cat path)" = "$PSK_HOME/bin" ]
  # shellcheck source=/dev/null
  . "$BATS_TEST_TMPDIR/env"
  [ "$(command -v psk)" = "$PSK_HOME/bin/psk" ]
}

@test "an archive that was tampered with is refused" {
  for archive in served/*.tar.gz; do echo x >> "$archive"; done
  run bash "$script"
  [ "$status" -eq 1 ]
  [[ "$output" = *"isn't the one that SHA256SUMS means"* ]]
  [ ! -e "$PSK_HOME/bin/psk" ]
}

@test "an archive without a checksum is refused" {
  : > served/SHA256SUMS
  run bash "$script"
  [ "$status" -eq 1 ]
  [ ! -e "$PSK_HOME/bin/psk" ]
}

@test "a bad signature is refused where cosign is there to say so" {
  echo bundle > served/SHA256SUMS.bundle
  printf '#!/bin/sh\nexit 1\n' > bin/cosign
  chmod +x bin/cosign
  run bash "$script"
  [ "$status" -ne 0 ]
  [ ! -e "$PSK_HOME/bin/psk" ]
}

@test "a version that is none is refused before anything is fetched" {
  PSK_VERSION='1.2.3/../../$(touch owned)' run bash "$script"
  [ "$status" -eq 2 ]
  [ ! -e fetched ]
  [ ! -e owned ]
}

@test "a machine without a release is told so" {
  printf '#!/bin/sh\necho Plan9\n' > bin/uname
  chmod +x bin/uname
  run bash "$script"
  [ "$status" -eq 2 ]
  [[ "$output" = *"there is no release for Plan9"* ]]
}
