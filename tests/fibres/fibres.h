// CUDA's words for an ordinary C++ compiler, so that a `.cu` file runs on a CPU.
//
// The threads of a block are fibres: each has a stack of its own, and one runs until it comes to a
// barrier, ends, or makes a mistake. A barrier hands the turn to the next fibre. The blocks of a grid
// run one after the other. A GPU forgives much for a while and then, on another day, does not; here
// each slip below is an error at once, or makes a NaN of the result:
//
//   - threads take turns in an order drawn anew for each round, so that a missing barrier is noticed;
//   - a barrier that not all threads reach, or that they reach at different places, is an error;
//   - shared memory is full of NaN before each block;
//   - what copy_async_… copies is NaN from the call on, and there when its thread has waited for it;
//   - addresses that are not aligned, indices outside an array's bounds and integers that overflow are
//     errors (g++ asks the functions at the end of this page).
//
// With -DFALLBACK the functions of device.cuh are taken as a GPU before Ampere would.

#include "cuda.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#ifndef FALLBACK
#define FIBRES
#endif
// All of it stands in one section of the library, where it is found to be filled with NaN.
#define __shared__ static __attribute__((section("fibres_shared")))
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(fibres::dynamic_shared)

extern char __start_fibres_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_fibres_shared[] __attribute__((weak, visibility("hidden")));

namespace {

uint3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

__attribute__((used)) __shared__ float some_shared;  // so that the section is never missing

namespace fibres {

struct Place {
    const char* file;
    int line;
    bool operator==(const Place& other) const { return line == other.line && file == other.file; }
};
#define HERE {__builtin_FILE(), __builtin_LINE()}  // as a default argument: where the caller stands

enum State { ready, at_block, at_warp, ended };

struct Copy {
    void* to;
    const void* from;
    int bytes, group;
};

struct Thread {
    ucontext_t start;
    jmp_buf goes_on;
    bool started = false;
    State state = ready;
    Place place;         // of the barrier at which it waits
    unsigned lanes = 0;  // those that must come to it too
    alignas(16) char given[32];  // to the other lanes
    std::vector<Copy> copies;
    int group = 0;
};

constexpr size_t STACK = 128 << 10, LIMIT_STACKS = 1024;
constexpr int NOT_A_NUMBER = 0xff;  // each byte of one
std::vector<Thread> threads;
int current;  // the thread whose turn it is
jmp_buf scheduler;
char *dynamic_shared, *dynamic_end;
char error[600];
uint64_t chance = 1;

[[noreturn]] void stop(const char* format, auto... details) {
    int written = snprintf(error, sizeof error, format, details...);
    snprintf(error + written, sizeof error - written, " (thread %d of block %u, %u, %u)", current,
             blockIdx.x, blockIdx.y, blockIdx.z);
    _longjmp(scheduler, 1);
}

// -- barriers ---------------------------------------------------------------------------------

__noinline__ void wait(State state, unsigned lanes, Place place) {
    Thread& me = threads[current];
    me.state = state, me.lanes = lanes, me.place = place;
    if (!_setjmp(me.goes_on)) _longjmp(scheduler, 1);
}

// Lets go those that wait for nobody any more. Returns whether there were any.
bool release() {
    int size = threads.size(), waiting = 0;
    for (Thread& t : threads) waiting += t.state == at_block && t.place == threads[0].place;
    bool all = waiting == size, any = all;
    for (int i = 0; i < size; ++i) {
        Thread& t = threads[i];
        if (all) t.state = ready;
        if (t.state != at_warp) continue;
        auto each = [&](auto does) {
            for (int lane = 0; lane < 32; ++lane) {
                if (t.lanes >> lane & 1) does(i / 32 * 32 + lane);
            }
        };
        bool complete = true;
        each([&](int j) {
            complete = complete && j < size && threads[j].state == at_warp &&
                       threads[j].lanes == t.lanes && threads[j].place == t.place;
        });
        if (complete) each([&](int j) { threads[j].state = ready; });
        any = any || complete;
    }
    return any;
}

// Who waits, and who is not there.
void explain() {
    const char* whom[] = {"", "its block", "its warp", ""};
    auto is = [](int i, State state) { return threads[i].state == state; };
    int size = threads.size(), a = 0;
    while (is(a, ended)) ++a;
    Thread& t = threads[a];
    int from = is(a, at_warp) ? a / 32 * 32 : 0, to = is(a, at_warp) ? from + 32 : size, b = from;
    auto together = [&](int i) {
        return i < size && threads[i].state == t.state && threads[i].place == t.place &&
               threads[i].lanes == t.lanes;
    };
    while (b < to && (together(b) || (is(a, at_warp) && !(t.lanes >> b % 32 & 1)))) ++b;
    int written = snprintf(error, sizeof error, "thread %d waits for %s at %s:%d, but thread %d ", a,
                           whom[t.state], t.place.file, t.place.line, b);
    char* rest = error + written;
    size_t left = sizeof error - written;
    if (b >= size) snprintf(rest, left, "does not exist: the block has %d", size);
    else if (is(b, ended)) snprintf(rest, left, "has ended");
    else snprintf(rest, left, "waits for %s at %s:%d", whom[threads[b].state], threads[b].place.file,
                  threads[b].place.line);
}

// -- what the lanes of a warp tell each other ---------------------------------------------------

// Puts `mine` where the others see it, and calls `take` when all of them have done so, with a function
// that returns what a lane gave.
template <class T>
void exchange(unsigned lanes, const T& mine, Place place, auto take) {
    static_assert(sizeof(T) <= sizeof(Thread::given));
    int first = current / 32 * 32;
    if (!(lanes >> current % 32 & 1)) stop("%s:%d: a lane is not in its mask", place.file, place.line);
    memcpy(threads[current].given, &mine, sizeof mine);
    wait(at_warp, lanes, place);
    take([&](int lane) {
        if (!(lanes >> lane & 1)) {
            stop("%s:%d: lane %d is asked, and is not in the mask", place.file, place.line, lane);
        }
        T theirs;
        memcpy(&theirs, threads[first + lane].given, sizeof theirs);
        return theirs;
    });
    wait(at_warp, lanes, place);
}

template <class T>
T from_lane(unsigned lanes, T mine, int lane, Place place) {
    T result;
    exchange(lanes, mine, place, [&](auto given) { result = given(lane); });
    return result;
}

// -- copies that take a while -------------------------------------------------------------------

void copy_async(void* to, const void* from, int bytes, bool valid, Place place) {
    char* target = static_cast<char*>(to);
    if ((target < __start_fibres_shared || target + bytes > __stop_fibres_shared) &&
        (target < dynamic_shared || target + bytes > dynamic_end)) {
        stop("%s:%d: a copy to what is not shared memory", place.file, place.line);
    }
    if (reinterpret_cast<uintptr_t>(to) % bytes || (valid && reinterpret_cast<uintptr_t>(from) % bytes)) {
        stop("%s:%d: a copy of %d bytes between addresses that are not aligned to that", place.file,
             place.line, bytes);
    }
    memset(to, NOT_A_NUMBER, bytes);
    Thread& me = threads[current];
    me.copies.push_back({to, valid ? from : nullptr, bytes, me.group});
}

void arrive(int groups) {
    Thread& me = threads[current];
    std::vector<Copy> later;
    for (Copy& copy : me.copies) {
        if (copy.group >= me.group - groups) later.push_back(copy);
        else if (copy.from) memcpy(copy.to, copy.from, copy.bytes);
        else memset(copy.to, 0, copy.bytes);
    }
    me.copies = later;
}

// -- blocks and grids ---------------------------------------------------------------------------

void (*body)(void**);
void** arguments;
char* stacks = static_cast<char*>(malloc(STACK * LIMIT_STACKS));

void whole_thread() {
    body(arguments);
    threads[current].state = ended;
    _longjmp(scheduler, 1);
}

void take_turn(int i) {
    Thread& t = threads[i];
    unsigned row = i / blockDim.x;
    threadIdx = {i % blockDim.x, row % blockDim.y, row / blockDim.y};
    current = i;
    if (_setjmp(scheduler)) return;
    if (t.started) _longjmp(t.goes_on, 1);
    t.started = true;
    getcontext(&t.start);
    t.start.uc_stack.ss_sp = stacks + STACK * i;
    t.start.uc_stack.ss_size = STACK;
    makecontext(&t.start, whole_thread, 0);
    setcontext(&t.start);
}

void shuffle(std::vector<int>& order) {
    for (size_t i = order.size(); i > 1; --i) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        std::swap(order[i - 1], order[(chance >> 33) % i]);
    }
}

void run_block() {
    int size = blockDim.x * blockDim.y * blockDim.z;
    memset(__start_fibres_shared, NOT_A_NUMBER, __stop_fibres_shared - __start_fibres_shared);
    memset(dynamic_shared, NOT_A_NUMBER, dynamic_end - dynamic_shared);
    threads.clear();
    threads.resize(size);
    std::vector<int> order(size);
    std::iota(order.begin(), order.end(), 0);
    auto all_ended = [&] {
        for (Thread& t : threads) if (t.state != ended) return false;
        return true;
    };
    while (!all_ended()) {
        shuffle(order);
        for (int i : order) {
            if (threads[i].state == ready) take_turn(i);
            if (error[0]) return;
        }
        if (!all_ended() && !release()) return explain();
    }
}

// Is argument `i` what the kernel takes? `given` is "p" (pointer), "f" (floating), "i" (integer) and
// the number of bytes; "l" is an int of Python's.
template <class P>
void check(int i, const char* given) {
    char kind = std::is_pointer_v<P> ? 'p' : std::is_floating_point_v<P> ? 'f' : 'i';
    bool whole = given[0] == 'l' && kind == 'i' && sizeof(P) >= 4;
    if (!whole && (given[0] != kind || atoi(given + 1) != int(sizeof(P)))) {
        snprintf(error, sizeof error, "argument %d is %s, and the kernel takes %c%d", i, given, kind,
                 int(sizeof(P)));
    }
}

template <class... P, size_t... I>
void call(void (*kernel)(P...), void** values, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<P>*>(values[I])...);
}

template <class... P, size_t... I>
void check_all(void (*)(P...), const char** kinds, std::index_sequence<I...>) {
    (check<P>(I, kinds[I]), ...);
}

template <class... P>
constexpr auto indices(void (*)(P...)) { return std::index_sequence_for<P...>(); }

template <auto kernel>
const char* launch(const uint3* grid, const uint3* block, size_t shared, void** values,
                   const char** kinds, int count) {
    constexpr auto each = indices(kernel);
    error[0] = 0;
    if (count != int(each.size())) {
        snprintf(error, sizeof error, "%d arguments, and the kernel takes %d", count, int(each.size()));
        return error;
    }
    check_all(kernel, kinds, each);
    gridDim = *grid, blockDim = *block, arguments = values;
    body = [](void** values) { call(kernel, values, indices(kernel)); };
    dynamic_shared = static_cast<char*>(aligned_alloc(1024, shared / 1024 * 1024 + 2048));
    dynamic_end = dynamic_shared + shared;
    char* guard = dynamic_end;  // the bytes behind the end stay as they are
    memset(guard, 0x5a, 1024);
    std::vector<int> blocks(grid->x * grid->y * grid->z);
    std::iota(blocks.begin(), blocks.end(), 0);
    shuffle(blocks);
    for (unsigned b : blocks) {
        if (error[0]) break;
        blockIdx = {b % grid->x, b / grid->x % grid->y, b / grid->x / grid->y};
        run_block();
        for (int i = 0; i < 1024; ++i) {
            if (guard[i] != 0x5a && !error[0]) {
                snprintf(error, sizeof error, "shared memory is written %d bytes after its end", i);
            }
        }
    }
    free(dynamic_shared);
    return error;
}

}  // namespace fibres

}  // namespace

// The function of the library that launches a kernel.
#define KERNEL(name)                                                                          \
    extern "C" const char* fibres_##name(const uint3* grid, const uint3* block, size_t shared, \
                                         void** values, const char** kinds, int count) {      \
        return fibres::launch<name>(grid, block, shared, values, kinds, count);               \
    }

// -- what g++ calls when an operation has no meaning (its -fsanitize, with reports of our own) --------

#define SLIP(name, what, ...)                                                                 \
    extern "C" __attribute__((visibility("hidden"))) void __ubsan_handle_##name(              \
        const fibres::Place* place, ##__VA_ARGS__) {                                          \
        fibres::stop("%s:%d: %s", place->file, place->line, what);                            \
    }
SLIP(type_mismatch_v1, "an address that is not aligned to its type", void*)
SLIP(out_of_bounds, "an index outside an array's bounds", void*)
SLIP(add_overflow, "a sum of integers overflows", void*, void*)
SLIP(sub_overflow, "a difference of integers overflows", void*, void*)
SLIP(mul_overflow, "a product of integers overflows", void*, void*)
SLIP(negate_overflow, "an integer overflows", void*)
SLIP(divrem_overflow, "a division by zero", void*, void*)
SLIP(shift_out_of_bounds, "a shift by too many bits", void*, void*)
