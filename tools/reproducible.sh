#!/usr/bin/env bash
# Whether two builds of this commit are the same bytes, made in two folders of other names:  tools/reproducible.sh
# It makes the Debian packages twice (tools/packages.sh) and compares them and the programs in them.
# The programs of one crate alone, without packages:                                          tools/reproducible.sh -p CRATE
# Keep both folders, to look into them:                                                       tools/reproducible.sh --keep
# Exit codes: 0 all the same, 1 a difference, or a build failed, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

crates=()
keep=0
while [ $# -gt 0 ]; do
    case "$1" in
        -p) [ $# -gt 1 ] || { echo "reproducible.sh: -p needs the name of a crate" >&2; exit 2; }; crates+=("$2"); shift ;;
        --keep) keep=1 ;;
        -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
        *) echo "reproducible.sh: unknown argument $1 (try tools/reproducible.sh --help)" >&2; exit 2 ;;
    esac
    shift
done

need_packages git:git
need_compiler
[ -z "$(git status --porcelain)" ] || say "what is not committed is not built: it is commit $(git rev-parse --short HEAD)"

place=$(mktemp -d)
[ "$keep" = 1 ] || trap 'rm -rf "$place"' EXIT
# Of other lengths, so that a name that is cut somewhere shows, too.
folders=("$place/one" "$place/a-second-folder-with-a-much-longer-name/two")
commit_date

# build FOLDER: this commit there, with nothing from here but what cargo and the tools have fetched.
build() {
    mkdir -p "$1"
    git archive HEAD | tar -x -C "$1"
    (
        cd "$1"
        unset CARGO_TARGET_DIR
        export TOOLS_DIR
        if [ "${#crates[@]}" -eq 0 ]; then
            tools/packages.sh
        else
            reproducibly
            cargo build --release --locked --bins "${crates[@]/#/--package=}"
        fi
    )
}

# What is compared: the programs, and the packages.
results() { (cd "$1/target" && find . -mindepth 2 -maxdepth 2 \( -path './release/*' -o -path './debian/*' \) -type f \( -name '*.deb' -o -perm -u+x \) | sort); }

for folder in "${folders[@]}"; do
    say "building in $folder"
    build "$folder"
done

found=$(results "${folders[0]}")
[ -n "$found" ] || fail "nothing was built that could be compared (a crate without programs?)"
red=0
[ "$found" = "$(results "${folders[1]}")" ] || { echo "DIFFERENT: one build has made other files than the other"; red=1; }
while read -r file; do
    sums=$(for folder in "${folders[@]}"; do sha256sum < "$folder/target/$file" | cut -d' ' -f1; done | sort -u)
    if [ "$(wc -l <<< "$sums")" = 1 ]; then
        printf 'same       %s  %s\n' "$sums" "$file"
    else
        printf 'DIFFERENT  %s\n' "$file"
        red=1
    fi
done <<< "$found"
[ "$keep" = 0 ] || say "both are in $place"
exit "$red"
