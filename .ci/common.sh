# Sourced by the scripts beside it: where the repository is, and how a missing package comes in.
# shellcheck shell=bash

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit

install_allowed=${CI:-false}

# Reads the one option these scripts have; $1 is the script's usage line.
read_options() {
    local usage=$1
    shift
    while (($#)); do
        case $1 in
        --install) install_allowed=true ;;
        -h | --help)
            echo "$usage"
            exit 0
            ;;
        *)
            echo "$usage" >&2
            exit 2
            ;;
        esac
        shift
    done
}

# Ends the script with one sentence.
give_up() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Installs Debian packages where that is allowed (CI=true or --install) and possible; else fails.
apt_install() {
    [[ $install_allowed == true ]] && command -v apt-get >/dev/null || return 1
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || return 1
        as_root=(sudo)
    fi
    # The candidates of a machine that was set up long ago are too old: always update first.
    "${as_root[@]}" apt-get -qq update || return 1
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends "$@" || return 1
}

# Cargo links build scripts and tests through `cc`.
need_linker() {
    command -v cc >/dev/null || apt_install build-essential ||
        give_up "there is no C compiler to link with: install one (Debian: build-essential), or run with --install."
}

# Runs a program of `tests` as the tests have it: for another profile every crate would be built once more.
run_program() {
    cargo test --quiet --workspace --no-run --locked
    "${CARGO_TARGET_DIR:-target}/debug/$1" "${@:2}"
}
