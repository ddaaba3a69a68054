#!/usr/bin/env bash
# Debian packages, inperson-server (for servers) and inperson (for people), made in target/debian: tools/packages.sh
# Of the programs that the tests have built, without building any:                             tools/packages.sh --built
# Into another folder:                                                                          tools/packages.sh --out DIR
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

profile=release
packing=()
out="${CARGO_TARGET_DIR:-target}/debian"
while [ $# -gt 0 ]; do
    case "$1" in
        --built) profile=dev; packing=(--fast) ;;
        --out) out=$2; shift ;;
        -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
        *) echo "packages.sh: unknown argument $1 (try tools/packages.sh --help)" >&2; exit 2 ;;
    esac
    shift
done

need_packages dpkg-shlibdeps:dpkg-dev
need_compiler
need_cargo_deb

programs="${CARGO_TARGET_DIR:-target}/${profile/dev/debug}"
if [ "$profile" = release ]; then
    reproducibly
    cargo build --release --locked --bins -p homeserver -p directory -p log-service -p certtool -p messenger
fi

# told PACKAGE PROGRAM…: what each program tells of itself, where its package takes it from.
told() {
    local package="$programs/package/$1" program
    shift
    rm -rf "$package"
    mkdir -p "$package"/{bash,zsh,fish,man,units,certtool}
    for program in "$@"; do
        "$programs/$program" completions bash > "$package/bash/$program"
        "$programs/$program" completions zsh > "$package/zsh/_$program"
        "$programs/$program" completions fish > "$package/fish/$program.fish"
        "$programs/$program" man --out "$package/man" > "$package/pages"
    done
    rm "$package/pages"
    gzip -9n "$package"/man/*
}

told server homeserver ca directory transparency-log
# The units of a machine that is set up by hand, for the places that a package has.
for unit in homeserver/systemd/*.service; do
    sed -e '1,/^\[Unit\]$/{/^#/d}' \
        -e 's|^ReadWritePaths=/srv/inperson$|StateDirectory=inperson\nStateDirectoryMode=0700|' \
        -e 's|/usr/local/bin/|/usr/bin/|g; s|/srv/inperson|/var/lib/inperson|g' \
        "$unit" > "$programs/package/server/units/${unit##*/}"
done
told person messenger certtool
# GnuTLS has a program of this name; packages/person/postinst says which of them has it.
person="$programs/package/person"
mv "$person/bash/certtool" "$person/zsh/_certtool" "$person/fish/certtool.fish" "$person/certtool/"
mv "$person/man/certtool.1.gz" "$person/man/inperson-certtool.1.gz"

mkdir -p "$out"
# Files in the packages carry the date of the newest commit, whenever they are put together.
commit_date
for package in homeserver messenger; do
    deb=$("$TOOLS_DIR/bin/cargo-deb" deb --quiet --locked --no-build --profile "$profile" "${packing[@]}" -p "$package" --output "$out")
    echo "$deb"
done
# What cargo-deb leaves of the programs that it has stripped.
rm -f "${CARGO_TARGET_DIR:-target}"/{homeserver,messenger}/*.stripped-*.tmp
