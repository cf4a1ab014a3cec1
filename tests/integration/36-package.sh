#!/bin/bash
# tests/integration/36-package.sh: make deb, lintian; install, upgrade while rows are written, remove and purge in a booted machine.
# test: limit=600
# PGSHOVEL_TEST_DEB=FILE: this package instead of one that is made here.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/systemd-lib.sh
. tests/integration/systemd-lib.sh
{ command -v dpkg-buildpackage && command -v dh; } > /dev/null || skip_all 'debhelper is not installed'
systemd_begin

# ---- the package

version=$(cat VERSION)
deb=${PGSHOVEL_TEST_DEB:-$T/build/deb/pgshovel_${version}_$(dpkg --print-architecture).deb}
if [ -z "${PGSHOVEL_TEST_DEB:-}" ]; then
	# not optimised: it is built twice as fast
	ok 'make deb' env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS='noautodbgsym noopt' make deb BUILD="$T/build" || exit 1
fi
ok 'the package is called as it should be' test -s "$deb" || exit 1
is "$(dpkg-parsechangelog -l debian/changelog -S Version)" "$version" 'the version is the one of VERSION'
dpkg-deb -c "$deb" | awk '{ print substr($6, 2) }' > "$T/contents"
for file in /usr/bin/pgshovel /usr/bin/pgshoveld /usr/bin/pgshovel-kafka-relay /lib/systemd/system/pgshoveld.service \
	/usr/lib/sysusers.d/pgshovel.conf /usr/lib/tmpfiles.d/pgshovel.conf /etc/pgshovel/pgshoveld.conf \
	/usr/share/man/man1/pgshovel.1.gz /usr/share/man/man5/pgshovel.conf.5.gz /usr/share/man/man8/pgshoveld.8.gz \
	/usr/share/man/man8/pgshovel-kafka-relay.8.gz /usr/share/bash-completion/completions/pgshovel \
	/usr/share/doc/pgshovel/copyright /usr/share/doc/pgshovel/changelog.gz; do
	grep -qxF "$file" "$T/contents" || echo "$file"
done > "$T/missing"
is "$(cat "$T/missing")" '' 'it holds programs, unit, user, folders, manuals, completion, sample, copyright and changelog'
if command -v lintian > /dev/null; then
	ok 'lintian has nothing to refuse' lintian --allow-root --fail-on error "$deb"
else
	skip 'lintian has nothing to refuse' 'lintian is not installed'
fi
# the next version: the same files
dpkg-deb -R "$deb" "$T/next" && sed -i 's/^Version: .*/&+1/' "$T/next/DEBIAN/control" &&
	dpkg-deb -b --root-owner-group "$T/next" "$T/next.deb" > "$T/out" || exit 1
cp "$deb" "$M/var/tmp/this.deb"
cp "$T/next.deb" "$M/var/tmp/next.deb"

# ---- install

rm -f "$M/usr/sbin/policy-rc.d" # this machine's, which may forbid services
dpkg_in() { # …: manuals are not indexed, nothing is synced to a disk that is memory
	m dpkg --no-triggers --force-unsafe-io "$@"
}
is "$(m id pgshovel 2>&1 | grep -c uid=)" 0 'a machine that does not know pgshovel'
ok 'install' dpkg_in -i /var/tmp/this.deb
like "$(m /usr/bin/pgshovel --version)" "$version" 'the programs run'
like "$(m id pgshovel)" 'uid=[0-9]+\(pgshovel\)' 'the user is there'
is "$(m stat -c '%U:%G %a' /etc/pgshovel/credentials)" 'root:pgshovel 750' 'the folders are'
is "$(m systemctl is-enabled pgshoveld) $(service_is ActiveState)" 'disabled inactive' 'nothing was started or enabled'

# ---- it works, as installed

line_prefix PREFIX
sql "$POSTGRES" -c 'create extension pgq' -c 'create table t (id int primary key, n int)'
set_file shop "$PREFIX" "$POSTGRES" public.t > "$T/shop.pgshovel"
ok 'a set' pgshovel cluster initialize
ok 'is created' pgshovel set create shop "$T/shop.pgshovel" || exit 1
service_configure
ok 'enable --now' m systemctl enable --now pgshoveld
write 1 100
ok 'rows arrive' complete 100

# ---- upgrade while rows are written

write_on() {
	local i
	for ((i = 101; i <= 600; i++)); do
		echo "insert into t values ($i, $i);"
	done | sql "$POSTGRES"
}
before=$(service_is MainPID)
locked=$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER/locks/shop")
write_on &
writer=$!
ok 'upgrade' dpkg_in -i /var/tmp/next.deb
wait "$writer"
is "$?" 0 'no write failed'
is "$(m dpkg-query -W -f '${Version}' pgshovel)" "$version+1" 'the next version is installed'
isnt "$(service_is MainPID)" "$before" 'the supervisor is another process'
ok 'it is active' service_active
ok 'it took over the session' service_said 'taken over'
is "$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER/locks/shop")" "$locked" 'the lock stayed with the host'
write 601 700
ok 'nothing is lost or doubled' complete 700
like "$(m grep '^cluster' /etc/pgshovel/pgshoveld.conf)" "$CLUSTER" 'the configuration stayed'

# ---- remove, purge

ok 'remove' dpkg_in -r pgshovel
is "$(m ps -u pgshovel -o pid=)" '' 'nothing runs any more'
is "$(m sh -c 'ls /usr/bin/pgshove* /lib/systemd/system/pgshoveld.service 2> /dev/null')" '' 'programs and unit are gone'
ok 'the configuration is not' m test -f /etc/pgshovel/pgshoveld.conf
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/locks" | wc -l)" 0 'the lock was given back'
ok 'purge' dpkg_in -P pgshovel
nok 'takes the configuration' m test -e /etc/pgshovel
tap_done
