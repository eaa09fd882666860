// out[place] += value for many places at once, of which several may be the same. Atomic additions would
// do it too, in whatever order the threads come; here the order is that of the values, and the same
// bits come out every time.

#include "device.cuh"

// `places` is sorted, `order` says which value each of them came with. Whoever stands first in a run of
// equal places adds up the run.
extern "C" __global__ void add_sorted(TYPE* out, const TYPE* values, const long long* places,
                                      const long long* order, long long count) {
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count || (i > 0 && places[i] == places[i - 1])) return;
    TYPE sum = out[places[i]];
    for (long long j = i; j < count && places[j] == places[i]; ++j) sum += values[order[j]];
    out[places[i]] = sum;
}
