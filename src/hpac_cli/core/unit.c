/* The whole tile codec for one instruction set; compiled once for each, with HPAC_ISA_... defined. */
#include "walk.h"

extern const struct unit HPAC_UNIT;
const struct unit HPAC_UNIT = {HPAC_UNIT_NAME, pack_network,   discard_network, encode_tile, decode_tile, measure_tile,
                               collect_tile,   expect_samples, find_length,     num_hashes,  trace_tile};
