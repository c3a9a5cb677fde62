#!/usr/bin/env bash
# PostgreSQL for the tests: the machine's, else Debian's package where we may install it.
set -euo pipefail
for dir in /usr/lib/postgresql/*/bin /usr/local/bin /usr/local/pgsql/bin; do
	if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then exit 0; fi
done
if command -v initdb >/dev/null && command -v postgres >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "postgres-tools: installing Debian's PostgreSQL for the tests"
	apt-get update -qq
	# No cluster of the system's own: the tests make and stop theirs.
	mkdir -p /etc/postgresql-common/createcluster.d
	echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/ov-tests.conf
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql >/dev/null
	exit 0
fi
echo "postgres-tools: no PostgreSQL here: its tests are skipped (Debian: apt-get install postgresql)"
