#!/usr/bin/env bash
# A Rust toolchain for wasm32-unknown-unknown out of Debian's packages, for machines where rustup cannot fetch the
# target. Debian carries a rustc with the sources of std (rustc-web and friends); we unpack the packages into a
# folder and install nothing.
#
#   usage: xtask/wasm-toolchain.sh FOLDER
#
# Prints lines NAME=VALUE for `cargo xtask wasm`: SYSROOT (what was unpacked), LIBRARIES (for
# LD_LIBRARY_PATH of that rustc alone), LINKER, STD_SOURCES. Progress goes to stderr. Runs again are cheap: FOLDER/versions
# records what was unpacked, and only other versions are fetched.
set -euo pipefail
export LC_ALL=C

folder=${1:?usage: wasm-toolchain.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
say() { printf 'wasm-toolchain: %s\n' "$*" >&2; }

for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || {
        say "there is no $tool here; on such a system run: rustup target add wasm32-unknown-unknown"
        exit 1
    }
done

# The packages with the versions that apt would fetch, as name=version; nothing for one that it does not know.
candidates() {
    apt-cache policy "$@" 2>/dev/null |
        awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) } $1 == "Candidate:" && $2 != "(none)" { print name "=" $2 }'
}
# What a package depends on directly, by name.
needs() { apt-cache depends "$1" 2>/dev/null | awk '$1 ~ /^\|?Depends:$/ && $2 !~ /^</ { print $2 }' | sort -u; }
# The first dependency of package $1 whose name starts with $2.
needed() { needs "$1" | awk -v start="$2" 'index($0, start) == 1 { print; exit }'; }

update_lists() { apt-get -qq update >&2 || say "apt-get update failed; it needs root and a reachable mirror"; }

# All packages that make up the toolchain, as name=version.
toolchain() {
    local std llvm git packages library
    std=$(needed libstd-rust-web-dev libstd-rust-web-)
    llvm=$(needed "$std" libllvm)
    git=$(needed cargo-web libgit2-)
    packages=(rustc-web cargo-web rust-web-src libstd-rust-web-dev "$std" "$llvm" "lld-${llvm#libllvm}")
    # Shared libraries of cargo that a minimal system lacks.
    while read -r library; do packages+=("$library"); done < <(
        { printf '%s\n' "$git"; needs "$git"; needs cargo-web; } |
            grep -E '^(libgit2|libssh2|libhttp-parser|libmbed|libllhttp|libpcre)' | sort -u
    )
    candidates "${packages[@]}"
}

# Fetches packages into $folder/fetched, as ourselves: apt's own user may not write there.
fetch() {
    say "fetching" "$@"
    rm -rf "$folder/fetched"
    mkdir -p "$folder/fetched"
    (cd "$folder/fetched" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$@" >&2)
}

unpack() {
    local package
    rm -rf "$folder/sysroot"
    for package in "$folder"/fetched/*.deb; do dpkg-deb --extract "$package" "$folder/sysroot"; done
    rm -rf "$folder/fetched"
}

# Asking apt takes seconds; while neither its lists nor our question have changed, its answer has not either.
if ! [ "$folder/versions" -nt /var/lib/apt/lists ] || ! [ "$folder/versions" -nt "$0" ]; then
    # Lists that came with an image know old versions, too old for us perhaps.
    update_lists
    if [ -z "$(candidates rustc-web)" ]; then
        [ -e "$folder/versions" ] || {
            say "no package rustc-web to be had; run: rustup target add wasm32-unknown-unknown"
            exit 1
        }
        say "apt knows no rustc-web any more; going on with what is in $folder"
    else
        wanted=$(toolchain)
        if [ "$wanted" != "$(cat "$folder/versions" 2>/dev/null)" ]; then
            # Removed first and written last: a run that was cut short starts again.
            rm -f "$folder/versions"
            # Words, one a package.
            # shellcheck disable=SC2086
            fetch $wanted || {
                say "apt's lists may be older than the mirror; updating them"
                update_lists
                wanted=$(toolchain)
                # shellcheck disable=SC2086
                fetch $wanted
            }
            unpack
        fi
        printf '%s\n' "$wanted" >"$folder/versions"
    fi
fi

sysroot=$folder/sysroot
one() { [ -e "$1" ] || { say "the packages do not hold $1; remove $folder and try again"; exit 1; }; printf '%s' "$1"; }
libraries=$(find "$sysroot" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
printf 'SYSROOT=%s\n' "$(one "$sysroot/usr")"
printf 'LIBRARIES=%s\n' "$libraries"
printf 'LINKER=%s\n' "$(one "$(echo "$sysroot"/usr/bin/wasm-ld-*)")"
printf 'STD_SOURCES=%s\n' "$(one "$(echo "$sysroot"/usr/src/rustc-*/library)")"
