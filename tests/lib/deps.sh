#!/bin/bash
# tests/lib/deps.sh: brings what building, tests and demo need on Debian 12. Installs only what is missing and starts no service.
#
#   deps.sh build    compiler and libraries
#   deps.sh all      (default) also the servers for tests and demo, and Kafka's jars
#   deps.sh kafka [VERSION]   only the jars; prints their folder
#   deps.sh list     prints all packages
#
# Root, or a user with sudo. Apache Kafka comes from Maven Central into ${XDG_CACHE_HOME:-~/.cache}/pgshovel/kafka-VERSION and is
# reused when complete (PGSHOVEL_KAFKA_JARS names another folder, whatever the version). Two runs at once wait for one another.
set -u

kafka_version=4.3.1
[ "${1:-}" != kafka ] || kafka_version=${2:-$kafka_version}
build=(gcc libc6-dev make pkg-config libpq-dev libzookeeper-st-dev librdkafka-dev libseccomp-dev libconfig-dev libsystemd-dev libmicrohttpd-dev libjansson-dev
	libssl-dev check)
lint=(clang-14 clang-format-14 shellcheck git mandoc zsh)
servers=(postgresql-15 postgresql-client-15 postgresql-15-pgq3 pgqd libzookeeper-java liblog4j1.2-java libslf4j-java
	openjdk-17-jre-headless maven openssl util-linux procps)
# Tests that need these are skipped where they cannot be had.
optional=(systemd systemd-container dbus debhelper lintian)

say() {
	echo "deps: $*" >&2
}

missing() { # PACKAGE…
	local package
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

# Debian creates and starts a PostgreSQL cluster with the package, and starts pgqd: neither is wanted, and both settings are
# taken away again.
quiet_install() { # PACKAGE…
	local sudo=() policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/pgshovel.conf made='' rc log
	[ "$(id -u)" = 0 ] || sudo=(sudo)
	[ ${#sudo[@]} = 0 ] || command -v sudo > /dev/null || { say "needs root or sudo to install: $*"; return 1; }
	log=$(mktemp) || return 1
	say "installing $# packages: $*"
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" > /dev/null && "${sudo[@]}" chmod 755 "$policy"
		made+=" $policy"
	fi
	if [ ! -e "$cluster" ]; then
		"${sudo[@]}" mkdir -p "${cluster%/*}" && echo 'create_main_cluster = false' | "${sudo[@]}" tee "$cluster" > /dev/null
		made+=" $cluster"
	fi
	# shellcheck disable=SC2064,SC2086 # now; a list
	trap "${sudo[*]} rm -f $made; rm -f $log" EXIT
	trap 'exit 130' INT TERM HUP
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq update > "$log" 2>&1 &&
		"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq -y --no-install-recommends \
			install "$@" > "$log" 2>&1
	rc=$?
	[ $rc = 0 ] || { say "apt-get failed:"; tail -n 15 "$log" >&2; }
	# shellcheck disable=SC2086 # a list
	"${sudo[@]}" rm -f $made
	rm -f "$log"
	trap - EXIT INT TERM HUP
	return $rc
}

install() { # PACKAGE…
	local wanted
	mapfile -t wanted < <(missing "$@")
	[ ${#wanted[@]} = 0 ] || quiet_install "${wanted[@]}"
}

install_all() {
	install "${build[@]}" "${lint[@]}" "${servers[@]}" "${optional[@]}" ||
		install "${build[@]}" "${lint[@]}" "${servers[@]}" && say "without ${optional[*]}"
}

kafka_pom() {
	cat <<-POM
		<project>
		<modelVersion>4.0.0</modelVersion><groupId>pgshovel</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
		<dependencies>
		<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka_version</version></dependency>
		<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$kafka_version</version>
		<exclusions><exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion></exclusions></dependency>
		<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
		</dependencies>
		</project>
	POM
}

# The folder appears by rename, whole: who sees it may use it.
kafka() {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgshovel jars tmp lock
	jars=${PGSHOVEL_KAFKA_JARS:-$cache/kafka-$kafka_version}
	if [ ! -e "$jars/.complete" ]; then
		command -v mvn > /dev/null || { say "Kafka's jars are not in \"$jars\" and mvn is not installed: apt-get install maven"; return 1; }
		mkdir -p "${jars%/*}" || return 1
		exec {lock}> "$jars.lock"
		flock "$lock"
		if [ ! -e "$jars/.complete" ]; then
			say "fetching Apache Kafka $kafka_version into \"$jars\""
			tmp=$(mktemp -d "$jars.XXXXXX") || return 1
			# shellcheck disable=SC2064 # now
			trap "rm -rf '$tmp'" EXIT
			kafka_pom > "$tmp/pom.xml"
			mvn -B -q -f "$tmp/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tmp/jars" -DincludeScope=runtime > "$tmp/log" 2>&1 {lock}>&- ||
				{ say "mvn failed:"; tail -n 15 "$tmp/log" >&2; return 1; }
			# another binding of slf4j would only warn
			rm -f "$tmp"/jars/slf4j-reload4j-*.jar "$tmp"/jars/slf4j-log4j12-*.jar
			touch "$tmp/jars/.complete"
			rm -rf "$jars"
			mv -T "$tmp/jars" "$jars" || return 1
			rm -rf "$tmp"
			trap - EXIT
		fi
		exec {lock}>&-
	fi
	echo "$jars"
}

case ${1:-all} in
build) install "${build[@]}" ;;
all) install_all && kafka > /dev/null ;;
kafka) kafka ;;
list) printf '%s\n' "${build[@]}" "${lint[@]}" "${servers[@]}" "${optional[@]}" ;;
*)
	say "build, all, kafka or list"
	exit 64
	;;
esac
