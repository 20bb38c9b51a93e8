# Sourced by the commands beside it: what they need before anything can be built.
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

# unpack PACKAGE DIRECTORY: what is in a package, which is not installed.
unpack() {
    local package=$1 into=$2
    rm -rf "$into" "$into.new"
    mkdir -p "$into.new"
    (
        cd "$into.new"
        download() { apt-get -qq -o APT::Sandbox::User=root download "$package"; }
        download 2>/dev/null || { apt-get update -qq && download; }
        dpkg -x "$package"_*.deb .
        rm "$package"_*.deb
    )
    mv "$into.new" "$into"
}

# The driver of the virtual reader. It listens on all addresses, so it is never installed:
# only a pcscd in a namespace of its own loads it from here.
unpack_reader() {
    [[ -e $target/vpcd/usr/lib/pcsc/drivers/serial/libifdvpcd.so ]] ||
        unpack vsmartcard-vpcd "$target/vpcd"
}

# Where it is installed it answers for the whole machine, so it is run from here, too.
unpack_resolved() {
    [[ -e $target/resolved/usr/bin/resolvectl ]] || unpack systemd-resolved "$target/resolved"
}

# The virtual card: a workspace of its own, since its licence is another one.
build_card() {
    (cd "$root/tests/softcard" && CARGO_TARGET_DIR=$target/softcard cargo build --release --locked)
}

# The checker of what we build on, unless there is one. Not optimised: it runs for two seconds.
deny_version=0.20.2
build_deny() {
    local into=$target/cargo-deny
    command -v cargo-deny >/dev/null || [[ -x $into/bin/cargo-deny ]] && return
    CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version "$deny_version" --locked --debug \
        --quiet --root "$into" --target-dir "$into/build"
    rm -rf "$into/build"
}

# What it takes to run Linux's own WireGuard, whatever kernel this machine has.
kernel_packages=(qemu-system-x86 busybox-static kmod wireguard-tools)

# A Debian kernel with its WireGuard module and a system of one shell, for QEMU. Nothing of it
# is installed.
build_kernel() {
    local new=$target/kernel.new package version module
    [[ -e $target/kernel/initramfs.gz ]] && return
    rm -rf "$target/kernel" "$new"
    mkdir -p "$new/package" "$new/root"
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p')
    (
        cd "$new/package"
        apt-get -qq -o APT::Sandbox::User=root download "$package"
        dpkg -x ./*.deb .
    )
    version=$(basename "$new"/package/lib/modules/*)
    for module in virtio_pci virtio_net wireguard; do
        copy_module "$new/package" "$new/root" "$version" "$module"
    done
    depmod -b "$new/root" "$version" 2>/dev/null
    (
        cd "$new/root"
        mkdir -p bin proc sys dev
        cp /bin/busybox /usr/bin/wg bin/
        # What wg is linked to.
        ldd bin/wg | grep -o '/[^ ]*' | while read -r library; do
            mkdir -p ".$(dirname "$library")"
            cp -L "$library" ".$library"
        done
        install -m 755 "$root/tests/rig/kernel-init" init
        find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >../initramfs.gz
    )
    cp "$new"/package/boot/vmlinuz-* "$new/vmlinuz"
    rm -rf "$new/root" "$new/package"
    mv "$new" "$target/kernel"
}

# copy_module FROM TO VERSION NAME: a kernel module and those that it needs.
copy_module() {
    local file needed
    file=$(cd "$1" && find "lib/modules/$3" -name "${4//[-_]/[-_]}.ko*" -print -quit)
    # What is no file is part of the kernel itself.
    [[ -n $file && ! -e $2/$file ]] || return 0
    mkdir -p "$2/$(dirname "$file")"
    cp "$1/$file" "$2/$file"
    for needed in $(modinfo -F depends "$1/$file" | tr , ' '); do
        copy_module "$1" "$2" "$3" "$needed"
    done
}
