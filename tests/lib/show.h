/*
 * tests/lib/show.h
 *    Records for people and for other programs, on standard output.
 */
#ifndef PGSHOVEL_TESTS_SHOW_H
#define PGSHOVEL_TESTS_SHOW_H

#include <librdkafka/rdkafka.h>

#include "tests/lib/record.h"

/* One JSON object and line: topic, partition, offset, key, headers, value. message gives the headers. */
void show_dump(const struct record *record, rd_kafka_message_t *message);

/* One short line: what happened to which row, the columns that an update changed. */
void show_event(const struct record *record, const struct change *change);

#endif
