# Set-up shared by ./demo, ./test and ./bench (sourced, never run): installs what is missing when run as root, otherwise names it.

# The version that the tests were written against; it is installed below the target folder and leaves the system alone.
CARGO_DENY_VERSION=0.20.2
TOOLS_DIR="${TOOLS_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/tools}"

say() { printf '   %s\n' "$*"; }
fail() { printf '\n%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need_packages COMMAND:PACKAGE…: each COMMAND on the PATH, or its Debian PACKAGE installed.
need_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "missing: ${missing[*]}. Install them (on Debian: sudo apt-get install ${missing[*]}) and run this again."
    fi
    say "installing ${missing[*]}"
    # A mirror that hiccups is asked again, and another installation (a nightly upgrade) is waited for.
    local patience=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    apt-get update -qq "${patience[@]}" </dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${patience[@]}" "${missing[@]}" </dev/null >/dev/null \
        || fail "apt-get could not install ${missing[*]}; its message is above."
}

# Debian's postfix, without settings, so that no mail server of this machine's begins with it; and in no other's place.
# Only root can start one, so nobody else is asked for it: the test that needs it says that it is skipped.
need_postfix() {
    [ "$(id -u)" = 0 ] || { say "SKIPPED: postfix (only root can start it)"; return 0; }
    # It is where not everybody looks for programs.
    if command -v postfix >/dev/null 2>&1 || [ -x /usr/sbin/postfix ]; then return 0; fi
    if [ -e /usr/sbin/sendmail ]; then
        say "SKIPPED: postfix (this machine has another mail server)"
        return 0
    fi
    if command -v debconf-set-selections >/dev/null 2>&1; then
        debconf-set-selections <<< 'postfix postfix/main_mailer_type select No configuration'
    fi
    need_packages postfix:postfix
}

# What building needs: a C compiler for AWS-LC and SQLite, libcrypto for SQLCipher, and Rust, at least as new as Cargo.toml says.
need_compiler() {
    local headers=() needed found
    [ -e /usr/include/stdlib.h ] || headers=(no-libc-headers:libc6-dev)
    [ -e /usr/include/openssl/crypto.h ] || headers+=(no-libcrypto-headers:libssl-dev)
    need_packages cc:gcc ld:binutils "${headers[@]}"
    if ! command -v cargo >/dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then
        export PATH="$HOME/.cargo/bin:$PATH"
    fi
    needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    if ! found=$(rustc --version 2>/dev/null) || ! command -v cargo >/dev/null 2>&1; then
        fail "Rust is missing; $needed or newer is needed. Install it from https://rustup.rs (or with your system's rustup package) and run this again."
    fi
    found=$(cut -d' ' -f2 <<< "$found")
    if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
        fail "Rust $needed or newer is needed, found $found. Update it (rustup update stable), or install a newer one beside your system's from https://rustup.rs, and run this again."
    fi
}

# The date of the newest commit, for whatever carries one; without a history that of the newest entry in the changelog.
commit_date() {
    : "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
    export SOURCE_DATE_EPOCH
}

# A build from here on is the same, bit by bit, in whatever folder and on whatever day it is made, by the same compilers
# (docs/operations/building.md): where things lie on this machine is left out of panics and of what C compilers write.
reproducibly() {
    commit_date
    local from to map
    export CARGO_INCREMENTAL=0 ZERO_AR_DATE=1
    for map in "$PWD=/inperson" "${CARGO_TARGET_DIR:-$PWD/target}=/inperson/target" "${CARGO_HOME:-$HOME/.cargo}=/cargo" "$(rustc --print sysroot)=/rust"; do
        from=${map%%=*} to=${map#*=}
        RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$from=$to"
        CFLAGS="${CFLAGS:-} -ffile-prefix-map=$from=$to"
        CXXFLAGS="${CXXFLAGS:-} -ffile-prefix-map=$from=$to"
    done
    export RUSTFLAGS CFLAGS CXXFLAGS
}

# What ./test needs of Rust beside the compiler: rustup's minimal profile has neither.
need_lints() {
    local part missing=()
    for part in rustfmt clippy; do
        cargo "${part/rustfmt/fmt}" --version >/dev/null 2>&1 || missing+=("$part")
    done
    [ "${#missing[@]}" -eq 0 ] || fail "missing: ${missing[*]}. Install them (rustup component add ${missing[*]}) and run this again."
}

need_cargo_deny() {
    [ "$("$TOOLS_DIR/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $CARGO_DENY_VERSION" ] && return 0
    say "building cargo-deny $CARGO_DENY_VERSION (a few minutes, once)"
    cargo install cargo-deny --version "$CARGO_DENY_VERSION" --locked --debug --quiet --root "$TOOLS_DIR" --target-dir "$TOOLS_DIR/build"
    rm -rf "$TOOLS_DIR/build"
}

# Licences, bans and sources always; advisories where their database can be fetched.
cargo_deny() {
    "$TOOLS_DIR/bin/cargo-deny" --locked check --hide-inclusion-graph licenses bans sources
    if timeout 60 "$TOOLS_DIR/bin/cargo-deny" --locked fetch db >/dev/null 2>&1; then
        "$TOOLS_DIR/bin/cargo-deny" --locked check --hide-inclusion-graph advisories
    else
        say "SKIPPED: advisories (their database cannot be fetched from here)"
    fi
}

CARGO_DEB_VERSION=3.8.0

need_cargo_deb() {
    [ "$("$TOOLS_DIR/bin/cargo-deb" --version 2>/dev/null)" = "cargo-deb $CARGO_DEB_VERSION" ] && return 0
    say "building cargo-deb $CARGO_DEB_VERSION (a few minutes, once)"
    cargo install cargo-deb --version "$CARGO_DEB_VERSION" --locked --debug --quiet --root "$TOOLS_DIR" --target-dir "$TOOLS_DIR/build"
    rm -rf "$TOOLS_DIR/build"
}

# unpacked FOLDER PACKAGE…: the files of Debian's packages below a folder; nothing is installed, and nothing begins to run.
unpacked() {
    local folder=$1 place package
    shift
    place=$(mktemp -d)
    [ "$(id -u)" != 0 ] || apt-get update -qq </dev/null || true
    (cd "$place" && apt-get download -qq "$@" </dev/null 2>/dev/null) || true
    for package in "$place"/*.deb; do
        dpkg-deb -x "$package" "$folder" || break
    done
    rm -rf "$place"
}

# Debian's promtool alone: with its package a Prometheus would begin to run on this machine.
need_promtool() {
    if command -v promtool >/dev/null 2>&1 || [ -x "$TOOLS_DIR/bin/promtool" ]; then return 0; fi
    say "fetching promtool"
    local place
    place=$(mktemp -d)
    mkdir -p "$TOOLS_DIR/bin"
    unpacked "$place" prometheus
    cp "$place/usr/bin/promtool" "$TOOLS_DIR/bin/" 2>/dev/null || true
    rm -rf "$place"
    [ -x "$TOOLS_DIR/bin/promtool" ] || fail "missing: promtool (on Debian: sudo apt-get install prometheus). Install it and run this again."
}

# Debian's sshd alone, with the library that nothing else has: with its package this machine would begin to let people in.
# Only root can log others in, so nobody else is asked for it: the test that needs it says that it is skipped.
need_sshd() {
    [ "$(id -u)" = 0 ] || { say "SKIPPED: sshd (only root can log others in)"; return 0; }
    if [ -x /usr/sbin/sshd ] || [ -x "$TOOLS_DIR/openssh/usr/sbin/sshd" ]; then return 0; fi
    say "fetching sshd"
    # Beside its place: half of it is none.
    local place
    mkdir -p "$TOOLS_DIR"
    place=$(mktemp -d "$TOOLS_DIR/openssh.XXXXXX")
    chmod 755 "$place"
    unpacked "$place" openssh-server libwrap0
    if [ -x "$place/usr/sbin/sshd" ] && [ -n "$(find "$place" -name 'libwrap.so.*' -print -quit)" ]; then
        rm -rf "$TOOLS_DIR/openssh"
        mv -T "$place" "$TOOLS_DIR/openssh"
    else
        rm -rf "$place"
    fi
    [ -x "$TOOLS_DIR/openssh/usr/sbin/sshd" ] || fail "missing: sshd (on Debian: sudo apt-get install openssh-server). Install it and run this again."
}

CARGO_FUZZ_VERSION=0.13.2

need_cargo_fuzz() {
    need_packages python3:python3
    [ "$("$TOOLS_DIR/bin/cargo-fuzz" --version 2>/dev/null)" = "cargo-fuzz $CARGO_FUZZ_VERSION" ] && return 0
    need_packages c++:g++
    say "building cargo-fuzz $CARGO_FUZZ_VERSION (a minute, once)"
    cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --locked --debug --quiet --root "$TOOLS_DIR" --target-dir "$TOOLS_DIR/build"
    rm -rf "$TOOLS_DIR/build"
}

# fuzz SECONDS: every target of tests/fuzz for that long, as many at a time as there are cores.
fuzz() {
    local targets
    targets=$(basename -s .rs -a tests/fuzz/fuzz_targets/*.rs)
    python3 tests/fuzz/seeds.py
    say "building the targets"
    cargo_fuzz build > "${CARGO_TARGET_DIR:-target}/fuzz-build.log" 2>&1 \
        || { tail -40 "${CARGO_TARGET_DIR:-target}/fuzz-build.log"; fail "the fuzz targets do not build (log above)"; }
    xargs -P "$(nproc)" -I{} bash -c '. tools/setup.sh; fuzz_one "$@"' test {} "$1" <<< "$targets" \
        || fail "fuzzing found something (log above)"
}

# fuzz_one TARGET SECONDS
fuzz_one() {
    local log="${CARGO_TARGET_DIR:-target}/fuzz-$1.log"
    say "fuzzing $1 for $2 s"
    cargo_fuzz run "$1" -- -max_total_time="$2" -rss_limit_mb=4096 -timeout=30 -print_final_stats=1 > "$log" 2>&1 \
        || { tail -40 "$log"; return 255; }
    say "$1: $(sed -n 's/.*number_of_executed_units: */executions /p' "$log")"
}

# libFuzzer needs compiler flags that stable Rust hides behind RUSTC_BOOTSTRAP; nothing that is shipped is built so.
cargo_fuzz() {
    local command=$1
    shift
    RUSTC_BOOTSTRAP=1 "$TOOLS_DIR/bin/cargo-fuzz" "$command" --fuzz-dir tests/fuzz \
        --target-dir "${CARGO_TARGET_DIR:-target}/fuzz" "$@"
}
