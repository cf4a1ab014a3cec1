# shellcheck shell=bash
# tests/lib/server-kafka.sh: Apache Kafka (KRaft), one node or three, each broker and controller. Sourced by servers.sh.
#
# Options of "start kafka…": --nodes=1|3   --set=NAME=VALUE (server.properties)   --heap=256m
#                            --version=4.2.0   for tests that kill brokers: 4.3.0 and 4.3.1 lose the ends of transactions whenever a
#                                              partition has no leader (KAFKA-20734), and a broker that comes back has none for a moment
#                            --tls=USER:PASS   a second listener, SASL_SSL with PLAIN; its bootstrap list is in DIR/NAME/address-tls,
#                                              the certificate of its authority in DIR/NAME/tls/ca.pem
#                            --gate=PORT:ADVERTISED   of one node: a second listener, whose clients are told to come to port ADVERTISED
# Nodes are called 1, 2, 3. Address: the bootstrap list. Jars: deps.sh kafka. Crash tests: keep topics small, recovery reads
# every unflushed segment (64 MiB each).

kafka_tls() { # FOLDER
	(
		mkdir -p "$1/tls" && cd "$1/tls" || exit
		openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test-authority -keyout ca.key -out ca.pem &&
			openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr &&
			openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out broker.pem \
				-extfile <(echo subjectAltName=IP:127.0.0.1,DNS:localhost) &&
			openssl pkcs12 -export -in broker.pem -inkey broker.key -certfile ca.pem -passout pass:changeit -out broker.p12
	) > "$1/tls.log" 2>&1 || { cat "$1/tls.log" >&2; return 1; }
}

kafka_setup() { # FOLDER [OPTION…]
	local dir=$1 option nodes=1 settings='' tls='' gate='' heap=256m version='' i isr=1 voters='' address='' secure='' id
	local plain=() controller=() sasl=() listeners advertised map
	shift
	for option; do
		case $option in
		--nodes=1 | --nodes=3) nodes=${option#*=} ;;
		--set=*=*) settings+="${option#--set=}"$'\n' ;;
		--tls=*:*) tls=${option#*=} ;;
		--gate=*:*) gate=${option#*=} ;;
		--heap=*) heap=${option#*=} ;;
		--version=*) version=${option#*=} ;;
		*) server_say "unknown option of Kafka \"$option\"" && return 64 ;;
		esac
	done
	# shellcheck disable=SC2154 # from servers.sh
	"$servers_lib/deps.sh" kafka ${version:+"$version"} > "$dir/jars" || return
	[ -z "$tls" ] || kafka_tls "$dir" || return
	[ "$nodes" = 1 ] || isr=2
	for ((i = 1; i <= nodes; i++)); do
		plain[i]=$(server_port "$dir") && controller[i]=$(server_port "$dir") && sasl[i]=$(server_port "$dir") || return
		voters+=${voters:+,}$i@127.0.0.1:${controller[i]}
		address+=${address:+,}127.0.0.1:${plain[i]}
		secure+=${secure:+,}127.0.0.1:${sasl[i]}
	done
	id=$(head -c16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=')
	for ((i = 1; i <= nodes; i++)); do
		mkdir -p "$dir/$i"
		listeners=PLAINTEXT://127.0.0.1:${plain[i]}
		map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		[ -z "$tls" ] || { listeners+=,SASL_SSL://127.0.0.1:${sasl[i]}; map+=,SASL_SSL:SASL_SSL; }
		advertised=$listeners
		[ -z "$gate" ] || { listeners+=,GATE://127.0.0.1:${gate%:*}; advertised+=,GATE://127.0.0.1:${gate#*:}; map+=,GATE:PLAINTEXT; }
		# the short broker session lets a node come back at once after a SIGKILL; small internal topics start faster
		cat > "$dir/$i/server.properties" <<-CONF
			process.roles=broker,controller
			node.id=$i
			controller.quorum.voters=$voters
			controller.listener.names=CONTROLLER
			inter.broker.listener.name=PLAINTEXT
			listener.security.protocol.map=$map
			listeners=$listeners,CONTROLLER://127.0.0.1:${controller[i]}
			advertised.listeners=$advertised
			log.dirs=$dir/$i/logs
			default.replication.factor=$nodes
			min.insync.replicas=$isr
			offsets.topic.replication.factor=$nodes
			offsets.topic.num.partitions=1
			transaction.state.log.replication.factor=$nodes
			transaction.state.log.min.isr=$isr
			transaction.state.log.num.partitions=4
			share.coordinator.state.topic.replication.factor=$nodes
			share.coordinator.state.topic.min.isr=$isr
			auto.create.topics.enable=false
			group.initial.rebalance.delay.ms=0
			transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
			log.cleaner.dedupe.buffer.size=4194304
			log.cleaner.threads=1
			num.network.threads=2
			num.io.threads=4
			background.threads=2
			num.recovery.threads.per.data.dir=2
			log.segment.bytes=67108864
			broker.session.timeout.ms=2000
			broker.heartbeat.interval.ms=500
		CONF
		[ -z "$tls" ] || cat >> "$dir/$i/server.properties" <<-CONF
			sasl.enabled.mechanisms=PLAIN
			listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${tls%%:*}="${tls#*:}";
			ssl.keystore.type=PKCS12
			ssl.keystore.location=$dir/tls/broker.p12
			ssl.keystore.password=changeit
		CONF
		printf '%s' "$settings" >> "$dir/$i/server.properties"
		kafka_java "$dir" kafka.tools.StorageTool format -t "$id" -c "$dir/$i/server.properties" > "$dir/$i/format.log" 2>&1 ||
			{ cat "$dir/$i/format.log" >&2; return 1; }
		echo "${plain[i]}" > "$dir/$i/port"
	done
	echo "$heap" > "$dir/heap"
	echo "$address" > "$dir/address"
	[ -z "$tls" ] || echo "$secure" > "$dir/address-tls"
	touch "$dir/options"
}

# kafka_java FOLDER CLASS ARG…: a tool of Kafka's, such as org.apache.kafka.tools.TopicCommand (1.2 s each)
kafka_java() {
	local jars
	jars=$(cat "$1/jars")
	shift
	java -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" "$@"
}

kafka_serves() { # FOLDER of a node
	# the line comes after the broker is unfenced
	grep -qs 'Kafka Server started' "$1/log" && server_listens "$(cat "$1/port")"
}

kafka_up() { # FOLDER
	local node
	for node in "$1"/[1-3]; do
		server_lives "$node/pid" && kafka_serves "$node" || return 1
	done
}

kafka_answers() { # FOLDER: all up, or one dead
	local node
	for node in "$1"/[1-3]; do
		server_lives "$node/pid" || return 0
	done
	kafka_up "$1"
}

kafka_launch() { # FOLDER
	local node
	for node in "$1"/[1-3]; do
		# after OutOfMemoryError: rather dead, and seen so, than limping
		server_lives "$node/pid" || server_launch "$node/pid" "$node/log" \
			java -Xms64m "-Xmx$(cat "$1/heap")" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xshare:auto \
			-XX:+ExitOnOutOfMemoryError -Dorg.slf4j.simpleLogger.defaultLogLevel=info -Dorg.slf4j.simpleLogger.showDateTime=true \
			-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS -cp "$(cat "$1/jars")/*" kafka.Kafka "$node/server.properties"
	done
	wait_for 180 kafka_answers "$1"
	kafka_up "$1"
}
