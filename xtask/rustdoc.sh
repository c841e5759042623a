#!/usr/bin/env bash
# The pinned rustdoc with its unstable options, for `cargo xtask api`. Set for all of cargo, RUSTC_BOOTSTRAP
# would have the dependencies built anew.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
