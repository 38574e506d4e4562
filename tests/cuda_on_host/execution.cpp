// SPDX-License-Identifier: Apache-2.0
// CUDA threads are fibers: each has a stack of its own, and one that waits at a barrier hands the
// processor to the next. Nothing is ever preempted, so that a run is the same every time.
//
// The sanitizers are told of every change of stack. To the thread sanitizer each fiber is a thread
// of its own that is ordered with others by barriers only; that they in fact run one after another
// it does not know, and so it finds the barrier that is missing.

#include "execution.hpp"

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/tsan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <sstream>

// cuda_on_host_switch_stack(void** leave, void* enter): keeps the registers that a call preserves
// and the stack pointer in *leave, and goes on where `enter` was left. In assembly because the C
// library's swapcontext makes a system call each time, which takes many times as long, and the
// address sanitizer then forgets what it knew about the stack. A new stack starts with an image of
// registers, described beside each version.
extern "C" void cuda_on_host_switch_stack(void** leave, void* enter);

#if defined(__x86_64__)
constexpr std::size_t saved_words = 8;  // r15 r14 r13 r12 rbx rbp, return address, alignment
constexpr std::size_t return_address = 6;
asm(R"(
.text
.type cuda_on_host_switch_stack, @function
cuda_on_host_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_host_switch_stack, .-cuda_on_host_switch_stack
)");
#elif defined(__aarch64__)
constexpr std::size_t saved_words = 20;  // x29 x30 x19 … x28, d8 … d15
constexpr std::size_t return_address = 1;
asm(R"(
.text
.type cuda_on_host_switch_stack, %function
cuda_on_host_switch_stack:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp], #160
  ret
.size cuda_on_host_switch_stack, .-cuda_on_host_switch_stack
)");
#else
#error "cuda_on_host: no switch of stacks is written for this processor"
#endif

namespace cuda_on_host {
namespace {

using detail::every_lane;
using detail::failure;
using detail::fresh_byte;
using detail::guard_bytes;
using detail::here;
using detail::matrix_fragments;
using detail::max_block_threads;
using detail::max_dynamic_shared;
using detail::multiply;
using detail::warp_operation;

// ---- Stacks -------------------------------------------------------------------------------------

/// Touched pages only take memory; a kernel that needs more runs into the guard page below.
constexpr std::size_t stack_bytes = 256 * 1024;

/// Where a stack was left, and what the sanitizers know about it.
struct context {
  void* stack_pointer = nullptr;
  const void* stack = nullptr;
  std::size_t stack_size = 0;
  void* fake_stack = nullptr;  // of the address sanitizer
  void* tsan_fiber = nullptr;
};

context* left = nullptr;  // by the latest switch

CUDA_ON_HOST_UNSEEN void arrive(context& at) {
  if constexpr (address_sanitizer)
    __sanitizer_finish_switch_fiber(at.fake_stack, &left->stack, &left->stack_size);
}

CUDA_ON_HOST_UNSEEN void switch_stack(context& from, context& to) {
  left = &from;
  if constexpr (address_sanitizer)
    __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_size);
  if constexpr (thread_sanitizer)
    __tsan_switch_to_fiber(to.tsan_fiber, __tsan_switch_to_fiber_no_sync);
  cuda_on_host_switch_stack(&from.stack_pointer, to.stack_pointer);
  arrive(from);
}

/// A new stack on which `run` will be called.
context make_context(void (*run)()) {
  const auto guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, guard + stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) != 0) throw std::bad_alloc();
  context made;
  char* const stack = static_cast<char*>(memory) + guard;
  void* image[saved_words] = {};
  image[return_address] = reinterpret_cast<void*>(run);
  made.stack_pointer = std::memcpy(stack + stack_bytes - sizeof image, image, sizeof image);
  made.stack = stack;
  made.stack_size = stack_bytes;
  return made;
}

// ---- The thread sanitizer -----------------------------------------------------------------------

/// It tells some 250 threads apart and goes blind beyond: a few are left to the host. With larger
/// blocks two CUDA threads that lie this far apart count as one. A prime, which is no usual
/// distance.
constexpr int max_tsan_fibers = 239;

/// All of these have met: what each did before, the others have seen.
CUDA_ON_HOST_UNSEEN void meet(void* const* fibers, int count) {
  if constexpr (thread_sanitizer) {
    // New each time: an old one would also order these behind all who met there before. Bare, since
    // the methods of a smart pointer would be seen.
    auto* const place = new char;
    void* const self = __tsan_get_current_fiber();
    for (int i = 0; i < count; ++i) {
      __tsan_switch_to_fiber(fibers[i], __tsan_switch_to_fiber_no_sync);
      __tsan_release(place);
    }
    for (int i = 0; i < count; ++i) {
      __tsan_switch_to_fiber(fibers[i], __tsan_switch_to_fiber_no_sync);
      __tsan_acquire(place);
    }
    __tsan_switch_to_fiber(self, __tsan_switch_to_fiber_no_sync);
    delete place;
  }
}

// ---- A block ------------------------------------------------------------------------------------

enum class state : std::uint8_t { ready, at_barrier, in_warp_operation, returned };

struct cuda_thread {
  context at;
  uint3 index{};
  state now = state::returned;
  // In a warp operation:
  warp_operation operation{};
  unsigned mask = 0;
  int source = 0;
  std::uint64_t offered = 0;
  std::uint64_t received = 0;
};

/// The block that runs. One at a time in the process, as `here` and shared memory are.
struct {
  std::array<cuda_thread, max_block_threads> threads;
  int count = 0;
  int current = 0;
  int step = 1;  // from one thread to the next: 1 or −1
  int at_barrier = 0;
  int returned = 0;
  std::uint64_t barriers = 0;
  bool any = false;      // offered at the barrier that is waited for,
  bool any_met = false;  // and at the last one
  bool hangs = false;    // then nothing waits any more
  failure ended;
  const std::function<void()>* thread = nullptr;
  context host;
  std::array<void*, max_tsan_fibers + 1> tsan_fibers{};  // the host is the first
} block;

alignas(1024) std::array<std::byte, max_dynamic_shared + guard_bytes> dynamic_memory;

std::string in_brackets(uint3 v) {
  std::ostringstream text;
  text << '(' << v.x << ", " << v.y << ", " << v.z << ')';
  return text.str();
}

/// The next thread in turn that can go on, the current one last; −1 if all wait or have returned.
CUDA_ON_HOST_UNSEEN int next_ready() {
  int i = block.current;
  for (int n = 0; n < block.count; ++n) {
    i += block.step;
    if (i == block.count) i = 0;
    if (i < 0) i = block.count - 1;
    if (block.threads[i].now == state::ready) return i;
  }
  return -1;
}

/// On a device this would wait forever, or go on with anything. Here the block runs to its end
/// without waiting, so that all stacks are left in order, and the launch fails.
CUDA_ON_HOST_UNSEEN void end_hang() {
  std::ostringstream text;
  text << "block " << in_brackets(here.block) << " hangs: " << block.at_barrier
       << " threads wait at __syncthreads, " << block.count - block.at_barrier - block.returned
       << " for lanes of their warp, " << block.returned << " have returned";
  block.ended = {cudaErrorLaunchTimeout, text.str()};
  block.hangs = true;
  for (int i = 0; i < block.count; ++i)
    if (block.threads[i].now != state::returned) block.threads[i].now = state::ready;
}

CUDA_ON_HOST_UNSEEN context& enter(int thread) {
  block.current = thread;
  here.thread = block.threads[thread].index;
  here.lane = thread % warpSize;
  return block.threads[thread].at;
}

/// Lets others run until the current thread can go on; after the last has returned, the host.
CUDA_ON_HOST_UNSEEN void give_way() {
  cuda_thread& self = block.threads[block.current];
  if (block.returned == block.count) return switch_stack(self.at, block.host);
  int next = next_ready();
  if (next < 0) {
    end_hang();
    next = next_ready();
  }
  if (next != block.current) switch_stack(self.at, enter(next));
}

/// The life of a fiber: one thread of each block.
CUDA_ON_HOST_UNSEEN void run_threads() {
  arrive(block.threads[block.current].at);
  for (;;) {
    (*block.thread)();
    block.threads[block.current].now = state::returned;
    ++block.returned;
    give_way();
  }
}

/// Makes fibers where there are not yet enough, and gives each its place in the block.
void prepare_threads(dim3 size) {
  block.count = static_cast<int>(size.x * size.y * size.z);
  int i = 0;
  for (unsigned z = 0; z < size.z; ++z)
    for (unsigned y = 0; y < size.y; ++y)
      for (unsigned x = 0; x < size.x; ++x) {
        cuda_thread& thread = block.threads[i];
        thread.index = {x, y, z};
        if (thread.at.stack == nullptr) {
          thread.at = make_context(run_threads);
          if constexpr (thread_sanitizer)
            thread.at.tsan_fiber = i < max_tsan_fibers
                                       ? __tsan_create_fiber(0)
                                       : block.threads[i % max_tsan_fibers].at.tsan_fiber;
        }
        if (i < max_tsan_fibers) block.tsan_fibers[i + 1] = thread.at.tsan_fiber;
        ++i;
      }
  if constexpr (thread_sanitizer)
    block.tsan_fibers[0] = block.host.tsan_fiber = __tsan_get_current_fiber();
}

CUDA_ON_HOST_UNSEEN void all_meet() {
  meet(block.tsan_fibers.data(), std::min(block.count, max_tsan_fibers) + 1);
}

void run_block(std::size_t dynamic_shared) {
  std::byte* const dynamic = dynamic_memory.data();
  detail::unpoison(dynamic, dynamic_shared + guard_bytes);
  std::memset(dynamic, fresh_byte, dynamic_shared + guard_bytes);
  detail::poison(dynamic + dynamic_shared, dynamic_memory.size() - dynamic_shared);
  for (int i = 0; i < block.count; ++i) block.threads[i].now = state::ready;
  block.at_barrier = 0;
  block.any = false;
  block.returned = 0;

  all_meet();
  switch_stack(block.host, enter(block.step > 0 ? 0 : block.count - 1));
  all_meet();

  // The address sanitizer has stopped the program by now; without it, this finds out afterwards.
  if (!address_sanitizer && !detail::is_fresh(dynamic + dynamic_shared, guard_bytes) &&
      block.ended.error == cudaSuccess)
    block.ended = {cudaErrorIllegalAddress,
                   "block " + in_brackets(here.block) + " writes behind its " +
                       std::to_string(dynamic_shared) + " bytes of dynamic shared memory"};
}

/// Whether all the lanes that the current one waits for have come.
CUDA_ON_HOST_UNSEEN bool warp_has_met(const cuda_thread* lanes, unsigned expected) {
  const cuda_thread& self = lanes[here.lane];
  if ((expected >> here.lane & 1u) == 0) return false;
  for (unsigned rest = expected; rest != 0; rest &= rest - 1) {
    const cuda_thread& other = lanes[std::countr_zero(rest)];
    if (other.now != state::in_warp_operation || other.operation != self.operation ||
        other.mask != self.mask)
      return false;
  }
  return true;
}

/// What each lane has offered a pointer to.
CUDA_ON_HOST_UNSEEN void multiply_warp(const cuda_thread* lanes) {
  std::array<matrix_fragments*, warpSize> all{};
  for (int lane = 0; lane < warpSize; ++lane)
    all[static_cast<std::size_t>(lane)] = reinterpret_cast<matrix_fragments*>(
        lanes[lane].offered);  // NOLINT(performance-no-int-to-ptr)
  multiply(all);
}

/// Gives each lane what it asked for and lets it go on.
CUDA_ON_HOST_UNSEEN void end_warp_operation(cuda_thread* lanes, unsigned expected) {
  std::uint64_t ballot = 0;
  std::array<void*, warpSize> tsan_fibers{};
  int count = 0;
  for (unsigned rest = expected; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    ballot |= std::uint64_t{lanes[lane].offered != 0} << lane;
    tsan_fibers[count++] = lanes[lane].at.tsan_fiber;
  }
  for (unsigned rest = expected; rest != 0; rest &= rest - 1) {
    cuda_thread& lane = lanes[std::countr_zero(rest)];
    lane.received = lane.source == every_lane             ? ballot
                    : (expected >> lane.source & 1u) != 0 ? lanes[lane.source].offered
                                                          : ~std::uint64_t{0};
    lane.now = state::ready;
  }
  if (lanes[here.lane].operation == warp_operation::multiply) multiply_warp(lanes);
  // Shuffles, votes and products promise no order of memory accesses.
  if (lanes[here.lane].operation == warp_operation::barrier) meet(tsan_fibers.data(), count);
}

}  // namespace

// ---- What kernels call --------------------------------------------------------------------------

void* dynamic_shared() {
  return dynamic_memory.data();
}

CUDA_ON_HOST_UNSEEN std::uint64_t detail::meet_in_warp(warp_operation what, unsigned mask,
                                                       std::uint64_t offer, int source) {
  if (block.hangs) return offer;
  cuda_thread* const lanes = &block.threads[block.current - here.lane];
  cuda_thread& self = lanes[here.lane];
  self.now = state::in_warp_operation;
  self.operation = what;
  self.mask = mask;
  self.source = source;
  self.offered = self.received = offer;
  // The last warp of a block may have fewer lanes; nobody waits for those.
  const int missing = std::max(0, block.current - here.lane + warpSize - block.count);
  const unsigned expected = mask & ~0u >> missing;
  if (warp_has_met(lanes, expected)) end_warp_operation(lanes, expected);
  else give_way();
  return self.received;
}

CUDA_ON_HOST_UNSEEN void detail::meet_in_block() {
  if (block.hangs) return;
  block.threads[block.current].now = state::at_barrier;
  if (++block.at_barrier < block.count) return give_way();
  block.at_barrier = 0;
  block.any_met = std::exchange(block.any, false);
  ++block.barriers;
  for (int i = 0; i < block.count; ++i) block.threads[i].now = state::ready;
  all_meet();
}

// Nobody comes to the next barrier before all have left this one with what they ask.
CUDA_ON_HOST_UNSEEN bool detail::any_in_block(bool offer) {
  if (offer) block.any = true;
  meet_in_block();
  return block.any_met;
}

// ---- What the runtime calls ---------------------------------------------------------------------

bool detail::is_fresh(const std::byte* begin, std::size_t bytes) {
  return begin[0] == std::byte{fresh_byte} && std::memcmp(begin, begin + 1, bytes - 1) == 0;
}

void detail::poison(const void* begin, std::size_t bytes) {
  if constexpr (address_sanitizer) __asan_poison_memory_region(begin, bytes);
}

void detail::unpoison(const void* begin, std::size_t bytes) {
  if constexpr (address_sanitizer) __asan_unpoison_memory_region(begin, bytes);
}

failure detail::run_grid(launch_record& launch, order of, const std::function<void()>& thread) {
  prepare_threads(launch.block);
  block.step = of == order::ascending ? 1 : -1;
  block.thread = &thread;
  block.barriers = 0;
  block.hangs = false;
  block.ended = {};
  here.block_size = launch.block;
  here.grid_size = launch.grid;
  const dim3 grid = launch.grid;
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  for (std::uint64_t n = 0; n < blocks && block.ended.error == cudaSuccess; ++n) {
    const std::uint64_t i = of == order::ascending ? n : blocks - 1 - n;
    here.block = {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                  static_cast<unsigned>(i / grid.x / grid.y)};
    run_block(launch.dynamic_shared);
  }
  launch.barriers = block.barriers;
  return block.ended;
}

std::string detail::running_thread() {
  return "thread " + in_brackets(here.thread) + " of block " + in_brackets(here.block);
}

}  // namespace cuda_on_host
