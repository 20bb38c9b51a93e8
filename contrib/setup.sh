# Sourced by contrib/test and contrib/demo: what both need before anything can be built.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target = /* ]] || target=$PWD/$target
# Rust's installer puts cargo where a root shell does not look.
PATH=$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin

# fail WHAT HINT: ends with an error for people.
fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

need_root() {
    [[ $EUID = 0 ]] ||
        fail "$1 makes network namespaces and needs root" "run it as root: sudo $1"
}

need_cargo() {
    command -v cargo >/dev/null ||
        fail "cargo is not on root's PATH" "install Rust (https://rustup.rs), or hand it over: sudo env PATH=\"\$PATH\" …"
}

# need_packages NAME…: installs what is missing of them.
need_packages() {
    local name missing=()
    command -v dpkg-query >/dev/null ||
        fail "this is no Debian or Ubuntu" "the driver of the virtual reader comes from there"
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
            missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# What it takes to build everything and to make worlds with virtual cards.
build_packages=(gcc libc6-dev pkg-config libclang-dev libpcsclite-dev)
world_packages=(pcscd iproute2 iputils-ping curl)

# The driver of the virtual reader. It listens on all addresses, so it is never installed:
# only a pcscd in a namespace of its own loads it from here.
unpack_reader() {
    [[ -e $target/vpcd/usr/lib/pcsc/drivers/serial/libifdvpcd.so ]] && return
    rm -rf "$target/vpcd" "$target/vpcd.new"
    mkdir -p "$target/vpcd.new"
    (
        cd "$target/vpcd.new"
        download() { apt-get -qq -o APT::Sandbox::User=root download vsmartcard-vpcd; }
        download 2>/dev/null || { apt-get update -qq && download; }
        dpkg -x vsmartcard-vpcd_*.deb .
        rm vsmartcard-vpcd_*.deb
    )
    mv "$target/vpcd.new" "$target/vpcd"
}

# The virtual card: a workspace of its own, since its licence is another one.
build_card() {
    (cd "$root/tests/softcard" && CARGO_TARGET_DIR=$target/softcard cargo build --release --locked)
}
