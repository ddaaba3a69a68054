#!/usr/bin/env bash
# Whether every crate compiles for other machines than this one (cargo check), as a table:  tools/targets.sh
# For some of them, or of some crates:                             tools/targets.sh [TARGET…] [-p CRATE…]
# It installs what it can (Rust's library for the target, a C compiler); what it cannot have it says, and goes on.
# Exit codes: 0 each of aarch64-unknown-linux-gnu's compiles, or could not be tried; 1 one does not; 2 usage.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
. tools/setup.sh

# What must compile; of the others the table says how far they are (docs/operations/building.md).
promised=aarch64-unknown-linux-gnu
all=("$promised" x86_64-pc-windows-gnu aarch64-apple-darwin)
targets=()
crates=()
while [ $# -gt 0 ]; do
    case "$1" in
        -p) [ $# -gt 1 ] || { echo "targets.sh: -p needs the name of a crate" >&2; exit 2; }; crates+=("$2"); shift ;;
        -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
        -*) echo "targets.sh: unknown argument $1 (try tools/targets.sh --help)" >&2; exit 2 ;;
        *) targets+=("$1") ;;
    esac
    shift
done
[ "${#targets[@]}" -gt 0 ] || targets=("${all[@]}")
# In the order of the arrows, so that the first that fails is the one to look at.
[ "${#crates[@]}" -gt 0 ] || crates=(command-line tlog-proof identity message-syntax room-order directory-protocol key-store file-transfer history transparency-log log-service device messenger-engine ca directory certtool messenger homeserver)

need_compiler
for target in "${targets[@]}"; do
    rustc --print target-list | grep -qxF -e "$target" || { echo "targets.sh: $target is no target of rustc (rustc --print target-list)" >&2; exit 2; }
done

# Rust's own library for a target; nothing where it cannot be had.
has_library() {
    local place
    place=$(rustc --print sysroot)/lib/rustlib/$1/lib
    [ -d "$place" ] && return 0
    command -v rustup >/dev/null 2>&1 || return 1
    say "fetching Rust's library for $1"
    timeout 300 rustup target add "$1" >/dev/null 2>&1
    [ -d "$place" ]
}

# A C compiler for a target: AWS-LC, SQLite and SQLCipher are C. One that is missing is no reason to end.
has_compiler() {
    case "$1" in
        aarch64-unknown-linux-gnu)
            local packages=(aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu)
            [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || packages+=(no-headers:libc6-dev-arm64-cross)
            (need_packages "${packages[@]}")
            ;;
        # NASM: AWS-LC has its assembly for Windows in its language.
        x86_64-pc-windows-gnu) (need_packages x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64 nasm:nasm) ;;
        # Apple's comes with Apple's machines alone.
        *-apple-*) [ "$(uname -s)" = Darwin ] ;;
        *) true ;;
    esac
}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# SQLCipher is compiled against the headers of OpenSSL's libcrypto. Nothing is linked in a check, so this machine's do, and
# of this machine's headers only those: what they say of the machine is the same for every Linux of 64 bits.
mkdir "$logs/include"
for headers in /usr/include/openssl "/usr/include/$(uname -m)-linux-gnu/openssl"; do
    [ -d "$headers" ] || continue
    mkdir -p "$logs/include/openssl"
    cp "$headers"/*.h "$logs/include/openssl/"
done
export CFLAGS_aarch64_unknown_linux_gnu="-idirafter $logs/include"

# In the place of a C compiler that cannot be had: a check links nothing, so objects with nothing in them do, and the code in
# Rust is checked all the same. C is not, and the table says so.
stand_in() {
    local compiler="$logs/no-compiler" name=${1//-/_}
    cat > "$compiler" <<'STANDS_IN'
#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in
        -o) : > "$2"; shift ;;
        -o?*) : > "${1#-o}" ;;
    esac
    shift
done
STANDS_IN
    chmod +x "$compiler"
    export "CC_$name=$compiler" "CXX_$name=$compiler" "AR_$name=true" "RANLIB_$name=true"
}

# What went wrong first, in a line.
reason() {
    grep -m1 -E '^error(\[E[0-9]+\])?:|fatal error:' "$1" | sed -e 's/^error[^:]*: //' | cut -c1-110
}

red=0
for target in "${targets[@]}"; do
    printf '\n== %s\n' "$target"
    if ! has_library "$target"; then
        echo "NOT TRIED: Rust's library for $target cannot be had on this machine (rustup target add $target)"
        continue
    fi
    if ! has_compiler "$target"; then
        echo "Rust alone is checked: there is no C compiler for $target here."
        stand_in "$target"
    fi
    good=0
    for crate in "${crates[@]}"; do
        log="$logs/$target-$crate"
        if cargo check --locked --quiet -p "$crate" --target "$target" > "$log" 2>&1; then
            printf '%-20s ok\n' "$crate"
            good=$((good + 1))
        else
            printf '%-20s no: %s\n' "$crate" "$(reason "$log")"
            [ "$target" != "$promised" ] || red=1
        fi
    done
    printf '%s of %s crates compile for %s\n' "$good" "${#crates[@]}" "$target"
done
exit "$red"
