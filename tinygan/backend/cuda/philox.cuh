// Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011).
//
// A generator without a state that changes: it scrambles a counter. The same counter and key give the
// same four words, and counters that differ in one bit give words that have nothing to do with each
// other. So each thread computes the numbers of its own counter, and none has to wait for another's.

// One round: two products of 32-bit words, whose halves change places and meet the key.
__device__ inline uint4 philox_round(uint4 c, unsigned key_x, unsigned key_y) {
    const unsigned a = 0xD2511F53, b = 0xCD9E8D57;
    return make_uint4(__umulhi(b, c.z) ^ c.y ^ key_x, b * c.z, __umulhi(a, c.x) ^ c.w ^ key_y, a * c.x);
}

__device__ inline uint4 philox(uint4 counter, unsigned long long key) {
    unsigned key_x = static_cast<unsigned>(key), key_y = static_cast<unsigned>(key >> 32);
#pragma unroll
    for (int i = 0; i < 10; ++i) {
        counter = philox_round(counter, key_x, key_y);
        key_x += 0x9E3779B9;  // the golden ratio, and
        key_y += 0xBB67AE85;  // √3 − 1, as fractions of 2³²
    }
    return counter;
}
