/* The codes of a TIFF's segments that are older than deflate: LZW, and PackBits, which DICOM's RLE is made of too. To
   plain bytes and back, as each of the writers in use does it; these functions hold no state. */
#ifndef HPAC_SEGMENTS_H
#define HPAC_SEGMENTS_H

#include <stdint.h>

#if defined(_WIN32)
#define HPAC_API __declspec(dllexport)
#else
#define HPAC_API __attribute__((visibility("default")))
#endif

/* Results below 0; a bad argument is a size below 0, or a writer or a way that does not exist. */
enum { SEGMENT_DAMAGED = -1, SEGMENT_NO_ROOM = -2, SEGMENT_BAD_ARGUMENT = -3 };

enum { LEAST_FULL = 4093, MOST_FULL = 4096 };

/* How a writer of LZW behaves. */
struct hpac_lzw_writer {
  int32_t full;        /* a new table begins before this code would be given out: LEAST_FULL to MOST_FULL */
  int32_t checks;      /* a new table begins where the last 10,000 bytes compressed worse (libtiff) */
  int32_t counts_last; /* the code before the end counts for the width of the end code */
};

/* Where decoding ended. */
struct hpac_lzw_end {
  int64_t bits;  /* read */
  int32_t width; /* of the next code, bits */
};

/* When runs of two end a literal: never; always; where none is open; there too, and before another run (libtiff); at
   the end of a row (DCMTK, which writes a single byte that is left of a longer run by itself). */
enum { RUNS_NEVER, RUNS_ALWAYS, RUNS_FIRST, RUNS_BEFORE_RUNS, RUNS_AT_END, NUM_RUN_WAYS };

/* Decode until the end code, the end of the data, or `limit` bytes. Returns the bytes that the codes stand for: the
   last one's may be more than `limit`; those are not written. */
HPAC_API int64_t hpac_lzw_decode(const uint8_t *coded, int64_t size, uint8_t *plain, int64_t limit,
                                 struct hpac_lzw_end *end);
/* Returns the bytes written; 2 * size + 16 are always enough. */
HPAC_API int64_t hpac_lzw_encode(const uint8_t *plain, int64_t size, const struct hpac_lzw_writer *writer,
                                 uint8_t *coded, int64_t room);
/* Decode until `limit` bytes are there or the code ends. Returns the bytes written. */
HPAC_API int64_t hpac_packbits_decode(const uint8_t *coded, int64_t size, uint8_t *plain, int64_t limit);
/* Code each row by itself. Returns the bytes written; 2 * width + 2 a row are always enough. */
HPAC_API int64_t hpac_packbits_encode(const uint8_t *rows, int64_t height, int64_t width, int32_t way, uint8_t *coded,
                                      int64_t room);

#endif
