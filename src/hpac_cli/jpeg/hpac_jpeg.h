/* Entropy-coded data of lossless JPEG (T.81, annex H, Huffman) and of JPEG-LS (T.87), to samples and back.

   A scan is coded exactly as its parameters say, so that data which some encoder made in the plain way come out again
   byte for byte. Headers are read elsewhere; these functions hold no state. */
#ifndef HPAC_JPEG_H
#define HPAC_JPEG_H

#include <stdint.h>

#if defined(_WIN32)
#define HPAC_API __declspec(dllexport)
#else
#define HPAC_API __attribute__((visibility("default")))
#endif

enum { MAX_COMPONENTS = 4, TABLE_BYTES = 16 + 256 };

/* Results below 0. */
enum { JPEG_DAMAGED = -1, JPEG_NO_MEMORY = -2, JPEG_NO_ROOM = -3, JPEG_BAD_ARGUMENT = -4 };

struct hpac_scan {
  int32_t height, width, channels;      /* of the samples: (height, width, channels) */
  int32_t num_components;               /* of this scan, 1 to MAX_COMPONENTS */
  int32_t components[MAX_COMPONENTS];   /* which channel each is */
  int32_t restart;                      /* rows between restart markers; 0: none */
  int32_t precision;                    /* bits of a sample, 2 to 16 */
  int32_t predictor, shift;             /* lossless JPEG: 1 to 7, and the point transform */
  int32_t tables[MAX_COMPONENTS];       /* lossless JPEG: each component's table, 0 to 3 */
  int32_t interleave;                   /* JPEG-LS: 0 none, 1 by line, 2 by sample */
  int32_t max_value, t1, t2, t3, reset; /* JPEG-LS */
};

/* tables: four of TABLE_BYTES: how many codes have 1 to 16 bits, and their values. What no code is told of is zero.
   Samples of other channels are not touched. Decoding returns 0, encoding the number of bytes written. */
HPAC_API int64_t hpac_jpeg_decode(const struct hpac_scan *scan, const uint8_t *tables, const uint8_t *coded,
                                  int64_t size, uint16_t *samples);
HPAC_API int64_t hpac_jpeg_encode(const struct hpac_scan *scan, const uint8_t *tables, const uint16_t *samples,
                                  uint8_t *coded, int64_t room);
HPAC_API int64_t hpac_jpeg_ls_decode(const struct hpac_scan *scan, const uint8_t *coded, int64_t size,
                                     uint16_t *samples);
HPAC_API int64_t hpac_jpeg_ls_encode(const struct hpac_scan *scan, const uint16_t *samples, uint8_t *coded,
                                     int64_t room);

#endif
