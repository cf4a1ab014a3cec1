/*
 * worker/encode_murmur.c
 *    Kafka's partition of a key: 32-bit murmur2 with Kafka's seed.
 *
 * Knows nothing of topics or brokers; the partition count is the recorded one.
 */
#include "worker/encode.h"

#include <string.h>

uint32_t encode_murmur2(const void *key, size_t len)
{
	const uint32_t mix = 0x5bd1e995;
	const unsigned char *at = key;
	uint32_t hash = UINT32_C(0x9747b28c) ^ (uint32_t)len;

	for (; len >= 4; at += 4, len -= 4) {
		uint32_t word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
				(uint32_t)at[3] << 24;
		word *= mix;
		word ^= word >> 24;
		hash = (hash * mix) ^ (word * mix);
	}
	if (len > 0) {
		for (size_t i = len; i > 0; i--)
			hash ^= (uint32_t)at[i - 1] << (8 * (i - 1));
		hash *= mix;
	}
	hash ^= hash >> 13;
	hash *= mix;
	return hash ^ hash >> 15;
}

int32_t encode_partition(const void *key, size_t len, int n_partitions)
{
	if (!key || n_partitions <= 1)
		return 0;
	return (int32_t)((encode_murmur2(key, len) & 0x7fffffff) % (uint32_t)n_partitions);
}
