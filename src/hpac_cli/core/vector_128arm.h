/* What NEON with and without dot products share. */

INLINE vec v_load(const void *at) { return vld1q_s32((const int32_t *)at); }
INLINE void v_store(void *at, vec v) { vst1q_s32((int32_t *)at, v); }
INLINE vec v_all(int32_t x) { return vdupq_n_s32(x); }
INLINE vec v_add(vec a, vec b) { return vaddq_s32(a, b); }
INLINE vec v_min(vec a, vec b) { return vminq_s32(a, b); }
INLINE vec v_max(vec a, vec b) { return vmaxq_s32(a, b); }
INLINE vec v_shift_each(vec v, vec places) { return vshlq_s32(v, vnegq_s32(places)); }
INLINE vec v_shift(vec v, const int places) { return vshlq_s32(v, vdupq_n_s32(-places)); }
INLINE vec v_product(vec a, vec b) { return vmulq_s32(a, b); }
INLINE vec v_keep(vec v) { return v; }
INLINE int32_t v_distance(const uint8_t *a, const uint8_t *b) { return vaddlvq_u8(vabdq_u8(vld1q_u8(a), vld1q_u8(b))); }
INLINE void v_transpose(const int32_t *rows, size_t row_step, int32_t *columns, size_t column_step) {
  int32x4x4_t row;
  for (int k = 0; k < 4; k++) row.val[k] = vld1q_s32(rows + (size_t)k * row_step);
  int32_t square[16];
  vst4q_s32(square, row); /* puts the first lane of each row first, then the second ones */
  for (int k = 0; k < 4; k++) vst1q_s32(columns + (size_t)k * column_step, vld1q_s32(square + 4 * k));
}
