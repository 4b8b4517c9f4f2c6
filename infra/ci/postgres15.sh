#!/bin/sh
# Runs the tests of the migrations and of the layer on Debian's PostgreSQL 15, in a cluster of their own that is
# gone afterwards. Arguments go to pytest. Where that server is neither installed nor to be had, it says so and
# succeeds; with CI=true it fails.
set -eu

cd "$(dirname "$0")/../.."
programs=/usr/lib/postgresql/15/bin
python="${PYTHON:-.venv/bin/python}"

skip() {
    echo "Not run on PostgreSQL 15: $1" >&2
    [ "${CI:-}" = true ] && exit 1
    exit 0
}

install_server() {
    command -v apt-get > /dev/null || skip "it is not installed, and there is no apt-get here."
    [ "$(id -u)" = 0 ] || skip "it is not installed; run this as root, or \`apt-get install postgresql-15\`."
    # The package would make and start a cluster on port 5432.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.d/lambkin.conf
    apt-get update -qq || skip "apt-get cannot read its package lists."
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql-15 > /dev/null ||
        skip "this system's packages have no postgresql-15."
}

# PostgreSQL refuses to run as root.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@")
    else
        "$@"
    fi
}

[ -x "$programs/initdb" ] || install_server

folder="$(mktemp -d)"
stop() {
    as_server "$programs/pg_ctl" -D "$folder/cluster" -m immediate -w stop > /dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM
[ "$(id -u)" != 0 ] || chown postgres "$folder"

port="$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
password="$("$python" -c 'import secrets; print(secrets.token_urlsafe(24))')"
as_server "$programs/initdb" -D "$folder/cluster" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync > /dev/null
as_server sh -c "echo 'local all postgres trust' > '$folder/cluster/pg_hba.conf'
    echo 'host all all 127.0.0.1/32 scram-sha-256' >> '$folder/cluster/pg_hba.conf'"
as_server "$programs/pg_ctl" -D "$folder/cluster" -l "$folder/log" -w start > /dev/null -o "\
    -c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$folder \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off -c max_connections=300" ||
    { cat "$folder/log" >&2; exit 1; }
as_server "$programs/psql" -q -h "$folder" -p "$port" -U postgres -c \
    "create role lambkin login createdb createrole password '$password'" -c "create database lambkin owner lambkin"

export LAMBKIN_TEST_DATABASE_URL="postgresql+pg8000://lambkin:$password@127.0.0.1:$port/lambkin"
"$python" -m pytest tests/migrations tests/common "$@"
