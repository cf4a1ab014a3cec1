# shellcheck shell=bash
# tests/lib/server-systemd.sh: a machine with a systemd of its own, booted in about a second. Sourced by servers.sh; run by unshare(1).
# It knows nothing of pgshovel.
#
# Its root is this machine's, what it writes is thrown away with it (an overlay in memory); it has processes, host name, journal, users
# and units of its own and shares the network, so that servers on 127.0.0.1 are reached. Nothing that is enabled here is started
# there. Everything is mounted in a private mount namespace: what is left after a kill -9 is one empty cgroup, which the next start removes.
#
# Options of "start machine…": --root=FOLDER (another root: a Debian of its own)   --bind=FOLDER:INSIDE (writable)
#
#   machine_missing              prints why no machine can be booted here; fails when it can
#   machine_root DIR             the machine's root as seen from here; machine_run DIR COMMAND… runs inside, as root

systemd_cgroups() {
	awk '$3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /name=systemd/) { print $2 }' /proc/self/mounts
}

machine_missing() {
	[ "$(id -u)" = 0 ] || { echo "only root can boot a systemd"; return; }
	command -v systemd-nspawn > /dev/null || { echo "systemd-nspawn is not installed (systemd-container)"; return; }
	[ -x /lib/systemd/systemd ] || { echo "systemd is not installed"; return; }
	local folder
	folder=$(mktemp -d) || return
	# shellcheck disable=SC2016 # the inner shell expands
	unshare --mount --propagation private sh -c 'cd "$1" && mount -t tmpfs machine . && mkdir up work root &&
		mount -t overlay machine -o lowerdir=/,upperdir=up,workdir=work root' sh "$folder" 2> "$folder.err" || {
		echo "an overlay cannot be mounted: $(head -n 1 "$folder.err")"
		rm -rf "$folder" "$folder.err"
		return
	}
	rm -rf "$folder" "$folder.err"
	[ -n "$(systemd_cgroups)" ] || { echo "no cgroup hierarchy for a systemd is mounted"; return; }
	while read -r folder; do
		mkdir "$folder/pgshovel-probe-$$" 2> /dev/null && rmdir "$folder/pgshovel-probe-$$" || { echo "cgroups cannot be made in $folder"; return; }
	done < <(systemd_cgroups)
	return 1
}

systemd_setup() { # FOLDER [OPTION…]
	local dir=$1 option
	shift
	for option; do
		case $option in
		--root=/* | --bind=/*) ;;
		*) server_say "unknown option of a machine \"$option\"" && return 64 ;;
		esac
	done
	mkdir -p "$dir/disk"
	basename "$dir" > "$dir/address"
	printf '%s\n' "$@" > "$dir/options"
}

# Runs in the new mount namespace and becomes systemd-nspawn.
systemd_boot() { # FOLDER
	local dir=$1 disk=$1/disk name=pgshovel-$$ cgroup old lower options
	while read -r cgroup; do
		for old in "$cgroup"/pgshovel-[0-9]*; do
			[ ! -d "$old" ] || [ -e "/proc/${old##*-}" ] || find "$old" -depth -type d -exec rmdir {} \; 2> /dev/null
		done
		mkdir "$cgroup/$name" && echo $$ > "$cgroup/$name/cgroup.procs" || return
	done < <(systemd_cgroups)
	lower=$(sed -n 's/^--root=//p' "$dir/options")
	mapfile -t options < <(sed -n 's/^--bind=.*/&/p' "$dir/options")
	mount -t tmpfs -o size=4g,mode=755 machine "$disk" && mkdir "$disk/up" "$disk/work" "$disk/tree" &&
		mount -t overlay machine -o "lowerdir=${lower:-/},upperdir=$disk/up,workdir=$disk/work" "$disk/tree" || return
	mount -t tmpfs -o mode=755 machine /run || return # nspawn leaves things there
	: > "$disk/tree/etc/machine-id" # its own, made at the start
	rm -rf "$disk"/tree/etc/systemd/system/*.wants
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --quiet --directory="$disk/tree" --machine="$name" --register=no --keep-unit \
		--resolv-conf=off --link-journal=no --console=pipe --kill-signal=SIGRTMIN+3 ${options[@]+"${options[@]}"} \
		--system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
		--boot systemd.unit=basic.target systemd.firstboot=off
}

systemd_leader() { # FOLDER: the pid of the machine's process 1
	local pid
	pid=$(server_pid_in "$1/pid") && pid=$(awk '{ print $1; exit }' "/proc/$pid/task/$pid/children") && [ -n "$pid" ] && echo "$pid"
}

# A unit that could not be started is the test's matter, not the machine's.
systemd_up() { # FOLDER
	local pid
	pid=$(systemd_leader "$1") && [[ $(nsenter -t "$pid" -a -- systemctl is-system-running 2> /dev/null) =~ ^(running|degraded)$ ]]
}

systemd_launch() { # FOLDER
	server_lives "$1/pid" || server_launch "$1/pid" "$1/log" \
		unshare --mount --propagation private bash "$servers_lib/server-systemd.sh" boot "$1"
	wait_for 120 systemd_up_or_dead "$1"
	systemd_up "$1"
}

systemd_up_or_dead() { # FOLDER
	! server_lives "$1/pid" || systemd_up "$1"
}

machine_root() { # DIR [NAME]
	echo "/proc/$(systemd_leader "$1/${2:-machine}")/root"
}

machine_run() { # DIR COMMAND…
	local leader
	leader=$(systemd_leader "$1/machine") || return
	shift
	nsenter -t "$leader" -a -- "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	[ "${1:-}" = boot ] || { echo "server-systemd.sh: sourced by servers.sh" >&2; exit 64; }
	systemd_boot "$2"
fi
