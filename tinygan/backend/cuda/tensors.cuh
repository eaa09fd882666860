// Many tensors in one launch, such as all the parameters of a network.
//
// A network has dozens of small tensors beside a few large ones. A launch for each would spend more
// time on launching than on numbers. So the addresses and sizes of all of them are handed over as
// an argument, by value: it travels with the launch itself, nothing is copied beforehand and
// nothing has to outlive the call.
//
// A block works on CHUNK numbers of one tensor: a large tensor gets many blocks, a small one gets
// one. Block b belongs to tensor i where first[i] <= b < first[i + 1].
//
// Macros: REAL (the type of the numbers), ARRAYS (how many belong together, such as θ, g, m and v),
// TENSORS (how many of such rows fit into one launch), CHUNK.

struct Table {
    REAL* array[ARRAYS][TENSORS];
    long long size[TENSORS];
    unsigned first[TENSORS + 1];  // those that are not used repeat the number of blocks
};

// Four numbers that travel at once, in one instruction of 16 bytes where REAL is float.
struct alignas(16) Four {
    REAL at[4];
};

// The last i with first[i] <= block, by halving.
__device__ int tensor_of(const Table& table, unsigned block) {
    int low = 0, high = TENSORS;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (table.first[middle] <= block) low = middle;
        else high = middle;
    }
    return low;
}

// May all arrays of tensor i be read four numbers at a time?
__device__ bool in_fours(const Table& table, int i) {
    unsigned long long bits = 0;
    for (int a = 0; a < ARRAYS; ++a) bits |= (unsigned long long)table.array[a][i];
    return bits % 16 == 0;
}
