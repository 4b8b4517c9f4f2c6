#!/bin/sh
# Brings the gateway's program from Debian's packages where it is missing.
set -eu

command -v caddy > /dev/null && exit 0
stop() {
    echo "Caddy is needed to run the Docker network's tests: $1" >&2
    exit 1
}
command -v apt-get > /dev/null || stop "it is not installed, and there is no apt-get here."
[ "$(id -u)" = 0 ] || stop "it is not installed; run this as root, or \`apt-get install caddy\`."
# The package would start a server on port 80.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq || stop "apt-get cannot read its package lists."
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends caddy > /dev/null ||
    stop "this system's packages have no caddy."
