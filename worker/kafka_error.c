/*
 * worker/kafka_error.c
 *    librdkafka's codes to error classes and messages.
 */
#include <stdio.h>
#include <string.h>

#include "worker/kafka_internal.h"

enum { FIRST_VERSION_WITH_SCRAM_4 = 0x020601ff };

/* Trying again cannot help before an operator changed something. */
bool kafka_code_is_permanent(rd_kafka_resp_err_t code)
{
	static const rd_kafka_resp_err_t permanent[] = {
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
		RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
		RD_KAFKA_RESP_ERR_INVALID_RECORD,
		RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
		RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
		RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
		RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM,
		RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
		RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
		RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
		RD_KAFKA_RESP_ERR_INVALID_CONFIG,
		RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
		RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
		RD_KAFKA_RESP_ERR__INVALID_ARG,
	};
	for (size_t i = 0; i < PGS_ARRAY_LEN(permanent); i++)
		if (permanent[i] == code)
			return true;
	return false;
}

bool kafka_code_is_of_record(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	       code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
	       code == RD_KAFKA_RESP_ERR_INVALID_RECORD ||
	       code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

static bool code_is_fence(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
	       code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

int kafka_fail(struct kafka_sink *k, rd_kafka_resp_err_t code, const char *what, const char *text,
	       struct pgs_err *reterr)
{
	enum pgs_err_class cls = PGS_ERR_RETRY;
	if (kafka_check_auth(k, reterr))
		return -1;
	if (code_is_fence(code))
		cls = PGS_ERR_FENCED;
	else if (kafka_code_is_permanent(code))
		cls = PGS_ERR_CONFIG;
	return pgs_err_set(reterr, cls, rd_kafka_err2name(code), "%s: %s", what,
			   text && *text ? text : rd_kafka_err2str(code));
}

int kafka_fail_error(struct kafka_sink *k, rd_kafka_error_t *error, const char *what,
		     struct pgs_err *reterr)
{
	/* The original error of a fatal one says more than "fatal". */
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);
	char text[512];
	(void)snprintf(text, sizeof(text), "%s", rd_kafka_error_string(error));
	if (code == RD_KAFKA_RESP_ERR__FATAL && k->rk)
		code = rd_kafka_fatal_error(k->rk, text, sizeof(text));
	rd_kafka_error_destroy(error);
	return kafka_fail(k, code, what, text, reterr);
}

int kafka_check_auth(struct kafka_sink *k, struct pgs_err *reterr)
{
	if (!k->auth_error)
		return 0;
	const char *hint = "";
	/* The client nonce is sent twice before 2.6.1; brokers from 4.0 on refuse that. */
	if (strstr(k->auth_text, "SCRAM") || strstr(k->auth_text, "invalid credentials"))
		if ((unsigned)rd_kafka_version() < FIRST_VERSION_WITH_SCRAM_4)
			hint = "; with SCRAM this librdkafka (before 2.6.1) is refused by Kafka "
			       "4.x even when the "
			       "password is right: use PLAIN over TLS or a newer librdkafka";
	return pgs_err_set(reterr, PGS_ERR_CONFIG, rd_kafka_err2name(k->auth_error),
			   "kafka refuses the connection: %s%s", k->auth_text, hint);
}

int kafka_check_anew(struct kafka_sink *k, struct pgs_err *reterr)
{
	return *k->anew_text
		       ? pgs_err_set(
				 reterr, PGS_ERR_CONFIG, "",
				 "%s: it was deleted and made again, what it held is gone; see "
				 "what consumers need, then send SIGHUP to the supervisor to go on",
				 k->anew_text)
		       : 0;
}

int kafka_check_deliveries(struct kafka_sink *k, struct pgs_err *reterr)
{
	if (!k->delivery_error)
		return 0;
	char text[320];
	(void)snprintf(text, sizeof(text), "%s (%s; %llu in all)",
		       rd_kafka_err2str(k->delivery_error), k->delivery_text,
		       (unsigned long long)k->delivery_failures);
	return kafka_fail(k, k->delivery_error, "kafka refused a record", text, reterr);
}
