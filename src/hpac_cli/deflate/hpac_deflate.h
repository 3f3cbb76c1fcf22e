/* Deflate streams rebuilt from their plain bytes: parameters and a correction found, and applied.
 *
 * The parameters say which writer a stream resembles; the correction says where it differs from that. Together with
 * the plain bytes they give the stream, to the bit, on every machine. docs/format.md describes both.
 */
#ifndef HPAC_DEFLATE_H
#define HPAC_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define HPAC_API __declspec(dllexport)
#else
#define HPAC_API __attribute__((visibility("default")))
#endif

enum { HPAC_DEFLATE_PARAMETER_BYTES = 17 };

enum {
  HPAC_DEFLATE_OK = 0,
  HPAC_DEFLATE_DAMAGED = -1, /* a stream that is none, or a correction or parameters that cannot be */
  HPAC_DEFLATE_NO_MEMORY = -2,
  HPAC_DEFLATE_NOT_WORTH = -3, /* the correction is too large, or takes too long */
  HPAC_DEFLATE_NO_ROOM = -4,   /* the stream becomes longer than it may be, or more plain bytes come than were said */
};

struct hpac_deflate;

/* Copies bytes of a stream from `offset` on to `into`, at most `count`; returns how many, 0 or less at its end. It is
 * asked for the same bytes again and again, so that no stream lies in memory as a whole. It may give other bytes each
 * time: an error or a wrong result may come of that, and nothing else. */
typedef int64_t hpac_deflate_read(void *context, uint64_t offset, uint8_t *into, size_t count);

/* What hpac_deflate_survey finds. */
struct hpac_deflate_facts {
  uint64_t stream_bytes, plain_bytes, num_tokens, num_blocks;
};

/* Read a raw deflate stream through; bytes may follow it. */
HPAC_API int hpac_deflate_survey(hpac_deflate_read *read, void *context, struct hpac_deflate_facts *facts);

/* Find the parameters of a stream: HPAC_DEFLATE_PARAMETER_BYTES. */
HPAC_API int hpac_deflate_find(hpac_deflate_read *read, void *context, uint8_t *parameters);

/* Find the correction of a stream for given parameters; *correction is freed by hpac_deflate_free_bytes. */
HPAC_API int hpac_deflate_correct(hpac_deflate_read *read, void *context, const uint8_t *parameters,
                                  uint8_t **correction, size_t *correction_size);
HPAC_API void hpac_deflate_free_bytes(uint8_t *bytes);

/* Begin to rebuild a stream of at most `most_bytes` from `plain_bytes` bytes, which come in pieces. The correction
 * must stay where it is. NULL without memory, or if the parameters are damaged. */
HPAC_API struct hpac_deflate *hpac_deflate_open(const uint8_t *parameters, const uint8_t *correction,
                                                size_t correction_size, uint64_t plain_bytes, uint64_t most_bytes);

/* Take further plain bytes; returns how many bytes of the stream wait to be taken, or an error. */
HPAC_API int64_t hpac_deflate_push(struct hpac_deflate *d, const uint8_t *plain, size_t size);

/* The bytes that wait, which are forgotten with the next push. */
HPAC_API const uint8_t *hpac_deflate_take(struct hpac_deflate *d);

/* Whether the stream is whole. */
HPAC_API int hpac_deflate_is_done(const struct hpac_deflate *d);
HPAC_API void hpac_deflate_close(struct hpac_deflate *d);

#endif
