#!/bin/sh
# What the browser tests need that pip cannot bring: a Chromium. Installs Debian's where none is found and the user is
# root; otherwise says what to do. Those tests are then skipped with that reason, and in CI (CI=true) they fail.
set -eu

fonts="fonts-liberation"

found=""
for name in "${ASSAY_TEST_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        found=$(command -v "$name")
        break
    fi
done
if [ -n "$found" ]; then
    echo "browser for the tests: $found"
    exit 0
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium $fonts
    echo "browser for the tests: $(command -v chromium)"
    exit 0
fi

echo "No Chromium or Chrome was found: the browser tests will be skipped." >&2
echo "Install one (Debian: apt-get install chromium $fonts), or name it: ASSAY_TEST_BROWSER=/path/to/chrome" >&2
[ "${CI:-}" != true ]
