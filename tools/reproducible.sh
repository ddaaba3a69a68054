#!/usr/bin/env bash
# Builds the programs twice, in two folders, and compares them: tools/reproducible.sh
# One program in the profile of tests, for the tests:           tools/reproducible.sh --quick
# Ends with 0 if they are the same byte for byte, otherwise with 1.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

packages=(homeserver directory log-service certtool messenger)
programs=(homeserver ca directory transparency-log certtool messenger)
profile=(--release)
folder=release
case "${1:-}" in
    "") ;;
    --quick) packages=(directory); programs=(directory); profile=(); folder=debug ;;
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) echo "reproducible.sh: unknown argument $1 (try tools/reproducible.sh --help)" >&2; exit 2 ;;
esac
need_compiler

# In the target folder and not in /tmp, which is memory on many machines.
place=$(mktemp -d "${CARGO_TARGET_DIR:-$PWD/target}/reproducible.XXXXXX")
trap 'rm -rf "$place"' EXIT

# built NAME: what is committed or at least known to git, as anybody would have it, built in a folder of this name.
built() {
    local copy="$place/$1" epoch
    epoch=$(git log -1 --format=%ct)
    mkdir -p "$copy"
    git ls-files -z | tar --create --null --files-from=- | tar --extract --directory "$copy"
    (
        cd "$copy"
        unset CARGO_TARGET_DIR
        reproducibly
        export SOURCE_DATE_EPOCH=$epoch
        cargo build --locked --quiet "${profile[@]}" "${packages[@]/#/--package=}" --bins
        cp "${programs[@]/#/target/$folder/}" "$place/"
        rm -rf target
    )
    (cd "$place" && sha256sum "${programs[@]}" > "$1.sums" && rm "${programs[@]}")
}

say "building in two folders: one"
built one
say "the other, whose path is longer"
built another-folder/below

red=0
for program in "${programs[@]}"; do
    if [ "$(grep " $program\$" "$place/one.sums")" = "$(grep " $program\$" "$place/another-folder/below.sums")" ]; then
        echo "$(grep " $program\$" "$place/one.sums" | cut -c1-64)  $program: the same"
    else
        echo "$program: NOT the same"
        red=1
    fi
done
exit "$red"
