#!/bin/sh
# Brings a program from Debian's packages where it is missing: infra/ci/program.sh PROGRAM PACKAGE
set -eu

program=$1
package=$2
PATH=$PATH:/usr/sbin
command -v "$program" > /dev/null && exit 0
stop() {
    echo "$program is needed to run these tests: $1" >&2
    exit 1
}
command -v apt-get > /dev/null || stop "it is not installed, and there is no apt-get here."
[ "$(id -u)" = 0 ] || stop "it is not installed; run this as root, or \`apt-get install $package\`."
# The package would start a server of its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq || stop "apt-get cannot read its package lists."
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" > /dev/null ||
    stop "this system's packages have no $package."
