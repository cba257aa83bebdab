#!/usr/bin/env bash
# How the lock files here were made: one package.json, resolved by each tool of JavaScript, and one pyproject.toml by uv.
# npm, pnpm 8 and 9, Yarn 1 and 4, Bun and Deno were installed from npm, uv from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
each() { mkdir -p "$work/$1" && cp package.json "$work/$1" && cd "$work/$1"; }
(each npm && npm install --package-lock-only --ignore-scripts) && cp "$work/npm/package-lock.json" .
(each pnpm9 && npx pnpm@9 install --lockfile-only) && cp "$work/pnpm9/pnpm-lock.yaml" pnpm-lock-9.yaml
(each pnpm8 && npx pnpm@8 install --lockfile-only) && cp "$work/pnpm8/pnpm-lock.yaml" pnpm-lock-8.yaml
(each yarn1 && npx yarn@1.22 install --ignore-scripts) && cp "$work/yarn1/yarn.lock" yarn-classic.lock
(each yarn4 && touch yarn.lock && npx --package @yarnpkg/cli-dist yarn install --mode=update-lockfile) && cp "$work/yarn4/yarn.lock" yarn-berry.lock
(each bun && npx bun install --lockfile-only --save-text-lockfile) && cp "$work/bun/bun.lock" .
(each deno && npx deno install) && cp "$work/deno/deno.lock" .
mkdir "$work/uv" && cat >"$work/uv/pyproject.toml" <<'X'
[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["requests==2.31.0", "click==8.1.7"]
[dependency-groups]
dev = ["iniconfig==2.0.0"]
X
(cd "$work/uv" && uv lock && uv export --format pylock.toml -o pylock.toml)
cp "$work"/uv/{uv.lock,pylock.toml} .
rm -r "$work"
