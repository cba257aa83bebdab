# What run, soak and replicas stand on: the programs, built where nobody names others. Source it.
# shellcheck shell=bash
#
#   SEAWORTHY            signs the images        else a release build
#   SEAWORTHY_VERIFIER   the webhook             else a release build
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-target}
if [ -z "${SEAWORTHY-}" ]; then
  cargo build --locked --release -p seaworthy
  SEAWORTHY=$target/release/seaworthy
fi
if [ -z "${SEAWORTHY_VERIFIER-}" ]; then
  cargo build --locked --release -p seaworthy-verifier --features admission
  SEAWORTHY_VERIFIER=$target/release/seaworthy-verifier
fi
cargo build -q --locked --release -p seaworthy-bench
peers=$(.ci/peers --env)
eval "$peers"
export SEAWORTHY SEAWORTHY_VERIFIER REGISTRY COSIGN
bench=$target/release/seaworthy-bench
