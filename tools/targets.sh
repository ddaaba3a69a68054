#!/usr/bin/env bash
# Which programs pass `cargo check` for machines of another kind: tools/targets.sh [TARGET…]
# One line for each target, which docs/operations/building.md repeats: "target NAME: all programs", or those that do and do not.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh
need_compiler

packages=(homeserver directory log-service certtool messenger)
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(aarch64-unknown-linux-gnu x86_64-pc-windows-gnu aarch64-apple-darwin)

# AWS-LC and SQLite are C, which a check compiles as well. The compilers are Debian's.
for target in "${targets[@]}"; do
    if ! rustup target list --installed 2>/dev/null | grep -qx "$target" && ! rustup target add "$target" >/dev/null 2>&1; then
        echo "target $target: SKIPPED its standard library cannot be had (rustup target add $target)"
        continue
    fi
    case "$target" in
        aarch64-unknown-linux-gnu) need_packages aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu ;;
        x86_64-pc-windows-gnu) need_packages x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64 ;;
    esac
    log="${CARGO_TARGET_DIR:-target}/targets-$target.log"
    : > "$log"
    well=() ill=()
    for package in "${packages[@]}"; do
        if cargo check --locked --quiet --target "$target" --target-dir "${CARGO_TARGET_DIR:-target}/targets" --bins -p "$package" >> "$log" 2>&1; then
            well+=("$package")
        else
            ill+=("$package")
        fi
    done
    if [ "${#ill[@]}" = 0 ]; then
        echo "target $target: all programs"
    else
        echo "target $target: ${well[*]:-none}; not ${ill[*]} ($(grep -m1 '^error' "$log" | cut -c1-100))" | sed 's/ (.*//' 
        grep -m3 '^error' "$log" | sed 's/^/   /' >&2 || true
    fi
done
