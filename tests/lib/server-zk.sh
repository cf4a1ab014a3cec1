# shellcheck shell=bash
# tests/lib/server-zk.sh: ZooKeeper, one node or an ensemble of three. Sourced by servers.sh.
#
# Options of "start zk…": --nodes=1|3   --tick=MS (200: sessions of 400 ms to 60 s)   --set=NAME=VALUE (zoo.cfg)
# Nodes are called 1, 2, 3. Address: host:port,…. Nothing is synced to disk (forceSync=no): a kill loses nothing, a power cut may.

zk_jars=/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar

zk_setup() { # FOLDER [OPTION…]
	local dir=$1 option nodes=1 tick=200 settings='' i servers='' address='' client quorum election
	shift
	for option; do
		case $option in
		--nodes=1 | --nodes=3) nodes=${option#*=} ;;
		--tick=*) tick=${option#*=} ;;
		--set=*=*) settings+="${option#--set=}"$'\n' ;;
		*) server_say "unknown option of ZooKeeper \"$option\"" && return 64 ;;
		esac
	done
	for ((i = 1; i <= nodes; i++)); do
		mkdir -p "$dir/$i/data" "$dir/$i/conf"
		client=$(server_port "$dir") || return
		echo "$client" > "$dir/$i/port"
		address+=${address:+,}127.0.0.1:$client
		[ "$nodes" = 3 ] || continue
		quorum=$(server_port "$dir") && election=$(server_port "$dir") || return
		servers+="server.$i=127.0.0.1:$quorum:$election"$'\n'
	done
	for ((i = 1; i <= nodes; i++)); do
		echo "$i" > "$dir/$i/data/myid"
		cat > "$dir/$i/conf/zoo.cfg" <<-CONF
			tickTime=$tick
			initLimit=25
			syncLimit=10
			dataDir=$dir/$i/data
			clientPort=$(cat "$dir/$i/port")
			clientPortAddress=127.0.0.1
			maxClientCnxns=0
			maxSessionTimeout=60000
			admin.enableServer=false
			4lw.commands.whitelist=*
			extendedTypesEnabled=true
			$servers
			$settings
		CONF
		cat > "$dir/$i/conf/log4j.properties" <<-CONF
			log4j.rootLogger=INFO, CONSOLE
			log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
			log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
			log4j.appender.CONSOLE.layout.ConversionPattern=%d{ISO8601} %-5p [%t:%C{1}@%L] %m%n
		CONF
	done
	echo "$address" > "$dir/address"
	touch "$dir/options"
}

# zk_ask PORT WORD: a four-letter word. Bounded, because a server that still loads its database may never answer a connection.
zk_ask() {
	# shellcheck disable=SC2016
	timeout 3 bash -c 'exec 3<> "/dev/tcp/127.0.0.1/$1" && printf %s "$2" >&3 && cat <&3' ask "$1" "$2" 2>/dev/null
}

zk_serves() { # FOLDER of a node
	zk_ask "$(cat "$1/port")" srvr | grep -q '^Mode'
}

zk_up() { # FOLDER
	local node
	for node in "$1"/[1-3]; do
		server_lives "$node/pid" && zk_serves "$node" || return 1
	done
}

zk_answers() { # FOLDER: all up, or one dead
	local node
	for node in "$1"/[1-3]; do
		server_lives "$node/pid" || return 0
	done
	zk_up "$1"
}

zk_launch() { # FOLDER
	local node
	for node in "$1"/[1-3]; do
		server_lives "$node/pid" || server_launch "$node/pid" "$node/log" \
			java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.net.preferIPv4Stack=true \
			-Dzookeeper.jmx.log4j.disable=true -Dzookeeper.extendedTypesEnabled=true -Dzookeeper.forceSync=no \
			-cp "$node/conf:$zk_jars" org.apache.zookeeper.server.quorum.QuorumPeerMain "$node/conf/zoo.cfg"
	done
	wait_for 120 zk_answers "$1"
	zk_up "$1"
}
