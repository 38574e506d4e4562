// SPDX-License-Identifier: Apache-2.0
// The way of host data to the kernels and back, in chunks so small that every one of these problems has
// many, and the order in which CUDA is told to do it.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <convgpu/detail/border_index.hpp>
#include <cuda_on_host.hpp>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/memory.hpp"
#include "cuda/staging.hpp"
#include "cuda_plan.hpp"
#include "oracle.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

using cuda_on_host::calls;
using cuda_on_host::execution;

const border every_border[] = {border::zero(),      border::constant(2), border::replicate(),
                               border::symmetric(), border::mirror(),    border::wrap()};

class cuda_staging : public testing::Test {
 protected:
  void SetUp() override { cuda_on_host::reset(); }
  void TearDown() override {
    EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{});
    cuda_on_host::reset();
  }
};

// ---- Bands --------------------------------------------------------------------------------------

/// The last element of a dense input that the band's outputs look at; −1 for none. By looking.
std::int64_t last_element(const detail::normal_form& f, const cuda::band& b) {
  const auto last = [&f](const detail::axis& a, detail::range of) {
    std::int64_t found = -1;
    for (std::int64_t i = of.first; i < of.last; ++i)
      for (std::int64_t k = 0; k < a.taps; ++k)
        found = std::max(found, detail::border_index(f.border.kind(), a.at(i, k), a.in));
    return found;
  };
  const std::int64_t row = last(f.row, b.rows);
  const std::int64_t col = last(f.col, b.cols);
  return row < 0 || col < 0 ? -1 : ((b.planes.last - 1) * f.row.in + row) * f.col.in + col;
}

TEST_F(cuda_staging, cuts_the_output_into_bands_that_know_what_they_need) {
  dice d(1);
  for (int n = 0; n < 3000; ++n) {
    const std::int64_t rows = d.one_in(4) ? 1 : d.between(1, 12);
    const problem p{.in = {rows, d.between(1, 30)},
                    .filter = {d.between(1, d.one_in(3) ? 40 : 5), d.between(1, 7)},
                    .planes = d.between(1, 4),
                    .types = {dtype::f32, dtype::f32, dtype::f32},
                    .mode = d.one_in(2) ? mode::full : mode::same,
                    .border = every_border[d.between(0, 5)],
                    .stride = {d.between(1, 3), d.between(1, 3)},
                    .dilation = {d.between(1, 3), d.between(1, 2)}};
    const detail::normal_form form = detail::normalise(p);
    const std::int64_t most = d.between(1, 100);
    std::vector<cuda::band> bands = cuda::cut_into_bands(form, most);
    EXPECT_TRUE(std::is_sorted(bands.begin(), bands.end(),
                               [](const auto& a, const auto& b) { return a.needs < b.needs; }));
    for (const cuda::band& b : bands) {
      EXPECT_GT(b.count, 0);
      EXPECT_LE(b.count, most);
      // With gaps between the taps it may wait for a little more than it sees.
      const std::int64_t needed = last_element(form, b) + 1;
      EXPECT_GE(b.needs, needed);
      const bool gaps = p.dilation != extent(1, 1) || p.stride != extent(1, 1);
      EXPECT_TRUE(gaps || b.needs == needed) << b.needs << ", not " << needed;
      EXPECT_LE(b.needs, form.planes * form.row.in * form.col.in);
    }
    std::sort(bands.begin(), bands.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    std::int64_t next = 0;
    for (const cuda::band& b : bands) {
      EXPECT_EQ(b.at, next);
      EXPECT_EQ(b.at, (b.planes.first * form.row.out + b.rows.first) * form.col.out + b.cols.first);
      next += b.count;
    }
    EXPECT_EQ(next, form.planes * form.row.out * form.col.out);
    ASSERT_FALSE(HasFailure()) << n;
  }
}

// Of algorithms that make blocks of outputs: each block once, with all that its outputs see.
TEST_F(cuda_staging, cuts_no_block_in_two_that_are_computed_apart) {
  dice d(3);
  for (int n = 0; n < 3000; ++n) {
    const std::int64_t rows = d.one_in(4) ? 1 : d.between(1, 20);
    const problem p{.in = {rows, d.between(1, 40)},
                    .filter = {d.between(1, 4), d.between(1, 7)},
                    .planes = d.between(1, 3),
                    .types = {dtype::f32, dtype::f32, dtype::f32},
                    .mode = mode::full,
                    .border = every_border[d.between(0, 5)]};
    const detail::normal_form form = detail::normalise(p);
    const extent block(d.one_in(2) ? 1 : d.between(1, 9), d.between(1, 12));
    const std::int64_t most = d.between(1, 200);
    const std::vector<cuda::band> bands = cuda::cut_into_bands(form, most, block);
    std::vector<int> computed(static_cast<std::size_t>(form.planes * form.row.out * form.col.out));
    std::vector<int> copied(computed.size());
    const auto count = [&](std::vector<int>& of, detail::range planes, detail::range i,
                           detail::range j) {
      for (std::int64_t q = planes.first; q < planes.last; ++q)
        for (std::int64_t r = i.first; r < i.last; ++r)
          for (std::int64_t c = j.first; c < j.last; ++c)
            ++of[static_cast<std::size_t>((q * form.row.out + r) * form.col.out + c)];
    };
    const auto ends_a_block = [](std::int64_t at, std::int64_t of_block, std::int64_t end) {
      return at == end || at % of_block == 0;
    };
    for (std::size_t b = 0; b < bands.size(); ++b) {
      const cuda::band& one = bands[b];
      EXPECT_LE(one.count, most);
      count(copied, one.planes, one.rows, one.cols);
      EXPECT_TRUE(ends_a_block(one.made_rows.first, block.rows, -1) &&
                  ends_a_block(one.made_rows.last, block.rows, form.row.out) &&
                  ends_a_block(one.made_cols.first, block.cols, -1) &&
                  ends_a_block(one.made_cols.last, block.cols, form.col.out));
      EXPECT_TRUE(one.made_rows.first <= one.rows.first && one.rows.last <= one.made_rows.last &&
                  one.made_cols.first <= one.cols.first && one.cols.last <= one.made_cols.last);
      cuda::band made = one;
      made.rows = one.made_rows;
      made.cols = one.made_cols;
      EXPECT_EQ(one.needs, last_element(form, made) + 1);
      if (b == 0 || !one.is_made_with(bands[b - 1]))
        count(computed, one.planes, one.made_rows, one.made_cols);
    }
    EXPECT_EQ(std::count(copied.begin(), copied.end(), 1),
              static_cast<std::ptrdiff_t>(copied.size()));
    EXPECT_EQ(std::count(computed.begin(), computed.end(), 1),
              static_cast<std::ptrdiff_t>(computed.size()));
    ASSERT_FALSE(HasFailure()) << n << ", " << most << ", blocks of " << block.rows << " x "
                               << block.cols;
  }
}

TEST_F(cuda_staging, packs_any_part_of_any_view) {
  dice d(2);
  for (int n = 0; n < 500; ++n) {
    const auto how = static_cast<layout>(d.between(0, 5));
    const dtype type = d.pick({dtype::u8, dtype::f16, dtype::f32, dtype::f64, dtype::cf64});
    const extent size(d.between(1, 4), d.between(1, 4));
    const std::int64_t planes = d.between(1, 3);
    buffer from(type, size, planes, how);
    fill(from, content::small_integers, role::samples, static_cast<unsigned>(n));
    buffer dense(type, {1, size.count() * planes});
    for_each_element(size, planes, [&, at = std::int64_t{0}](auto p, auto r, auto c) mutable {
      dense.set(0, 0, at++, from.get(p, r, c));
    });
    const std::int64_t all = dense.size().cols;
    const std::int64_t first = d.between(0, all - 1);
    const std::int64_t count = d.between(1, all - first);
    const auto width = static_cast<std::int64_t>(size_of(type));
    const auto* expected = static_cast<const std::byte*>(std::as_const(dense).view().data());
    std::vector<std::byte> to(static_cast<std::size_t>(count * width));
    cuda::pack(to.data(), std::as_const(from).view(), first, count);
    ASSERT_TRUE(std::equal(to.begin(), to.end(), expected + first * width)) << how;

    if (how == layout::repeated) continue;
    buffer out(type, size, planes, how, 3);
    cuda::unpack(out.view(), expected, 0, first);
    cuda::unpack(out.view(), to.data(), first, count);
    cuda::unpack(out.view(), expected + (first + count) * width, first + count,
                 all - first - count);
    ASSERT_EQ(out.values(), from.values()) << how;
    ASSERT_EQ(out.damage(), "");
  }
}

// ---- Answers ------------------------------------------------------------------------------------

class cuda_staging_of : public testing::TestWithParam<dtype> {};

// Memory of devices is full of NaN at first: what is computed before its data is there shows.
TEST_P(cuda_staging_of, agrees_in_chunks_of_any_size) {
  const std::vector<cuda_algorithm> algorithms = cuda_algorithms();
  std::size_t n = 0;
  for (const test_case& c : small_problems(GetParam())) {
    // By turns: all of them on all problems would take long. What refuses leaves it to the last one.
    const cuda_algorithm* a = &algorithms[n % algorithms.size()];
    const std::size_t bytes = std::vector<std::size_t>{16, 40, 100, 333}[n / 2 % 4];
    const int chunks = static_cast<int>(1 + n % 3);
    const auto when = static_cast<execution>(n / 8 % 3);
    ++n;
    const buffer in = c.make_input();
    const buffer filter = c.make_filter();
    complete_problem p(c.problem, filter.view());
    p.how.algorithm = "cuda/" + a->name;
    if (a->wants_tolerance()) p.how.tolerance = transform_tolerance(c.problem.types.in);
    if (!a->refusal(p.request()).empty()) a = &algorithms.back();
    cuda_on_host::reset();
    cuda_on_host::set_execution(when);
    const auto made = cuda::make_runnable(p.request(), a->make, {bytes, chunks});
    const answer expected = solve(p.said, in.view(), filter.view());
    for (int again = 0; again < 2; ++again) {
      buffer out = c.make_output(expected.size);
      made->run(in.view(), out.view(), {}, {});
      const bool exact = c.data == content::small_integers && made->exact_on_integers();
      const std::string words =
          out.damage() + difference(p.said, expected, std::as_const(out).view(), exact,
                                    p.how.tolerance.value_or(0));
      ASSERT_EQ(words, "") << a->name << ", " << chunks << " chunks of " << bytes << ": " << c
                           << cuda_on_host::complaint();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(every, cuda_staging_of,
                         testing::Values(dtype::u8, dtype::i16, dtype::f32, dtype::cf64),
                         [](const auto& instance) {
                           return std::string(to_string(instance.param));
                         });

// ---- The order of things ------------------------------------------------------------------------

std::ptrdiff_t count_of(const std::vector<std::string>& names, const char* name) {
  return std::count(names.begin(), names.end(), name);
}

/// 3 taps down the columns of an image of 64 rows of 16 u8, which has 16 chunks of 4 rows.
struct image {
  explicit image(border b, std::size_t chunk_bytes = 64, int chunks = 2)
      : p({.in = {64, 16}, .mode = mode::same, .border = b}, taps.view()),
        made(cuda::make_runnable(p.request(), cuda::direct_kernels, {chunk_bytes, chunks})) {
    fill(in, content::small_integers, role::samples, 3);
  }
  void run(stream on = {}) { made->run(std::as_const(in).view(), out.view(), on, {}); }
  void expect_right() {
    EXPECT_EQ(difference(p.said, solve(p.said, std::as_const(in).view(), taps.view()),
                         std::as_const(out).view(), true),
              "");
  }

  const buffer taps{dtype::u8, {3, 1}, {1, 2, 1}};
  buffer in{dtype::u8, {64, 16}};
  buffer out{dtype::u8, {64, 16}};
  complete_problem p;
  std::unique_ptr<const detail::runnable> made;
};

/// Copies up before the first launch, of all that are made.
std::ptrdiff_t copies_before_the_first_launch() {
  const std::vector<std::string> made = calls();
  const auto launched = std::find(made.begin(), made.end(), "cudaLaunchKernelEx");
  return std::count(made.begin(), launched, "cudaMemcpyAsync");
}

TEST_F(cuda_staging, computes_while_it_copies) {
  // The first band needs a row of the second chunk, or, where the border is far away, waits for the last.
  for (const border& b : every_border) {
    cuda_on_host::reset();
    {
      image x(b);
      x.run();
      x.expect_right();
      EXPECT_EQ(copies_before_the_first_launch(), b.kind() == border_kind::wrap ? 3 : 2);
      EXPECT_EQ(count_of(calls(), "cudaMemcpyAsync"), 32);
      EXPECT_EQ(count_of(calls(), "cudaLaunchKernelEx"), 16);
    }
  }
}

TEST_F(cuda_staging, keeps_what_it_made_for_the_next_run) {
  image x(border::mirror());
  x.run();
  const auto first = calls().size();
  const cuda_on_host::live_objects there = cuda_on_host::live();
  EXPECT_EQ(there.streams, 3);
  x.run();
  x.expect_right();
  EXPECT_EQ(cuda_on_host::live(), there);
  const std::vector<std::string> all = calls();
  for (auto i = all.begin() + static_cast<std::ptrdiff_t>(first); i != all.end(); ++i)
    EXPECT_EQ(i->find("Malloc") + 1 + i->find("Create") + 1, 0u) << *i;
}

TEST_F(cuda_staging, takes_little_data_in_one_piece) {
  image x(border::wrap(), 64 * 16);
  x.run();
  x.expect_right();
  EXPECT_EQ(count_of(calls(), "cudaMemcpyAsync"), 2);
  EXPECT_EQ(cuda_on_host::live().streams, 0);
}

// Most of which is never cut: too large for any memory.
TEST_F(cuda_staging, costs_nothing_where_no_data_comes_from_the_host) {
  const buffer tap(dtype::u8, {1, 1}, {1});
  const complete_problem p({.in = {std::int64_t{1} << 30, std::int64_t{1} << 30}}, tap.view());
  const auto made = cuda::make_runnable(p.request(), cuda::plain_kernels, {1, 2});
  std::uint8_t x = 1;
  const extent size = p.output_extent();
  EXPECT_THROW(made->run(view<const std::uint8_t>(&x, size, {.row = 0, .col = 0}),
                         view<std::uint8_t>(&x, size), {}, {}),
               std::bad_alloc);
  EXPECT_EQ(x, 1);
}

TEST_F(cuda_staging, frees_page_locked_memory_and_all_else_with_the_plan) {
  {
    image x(border::zero());
    x.run();
    EXPECT_EQ(count_of(calls(), "cudaMallocHost"), 4);
    EXPECT_EQ(cuda_on_host::live().allocations, 7) << "taps, input, output, 2 chunks each way";
  }
  EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{});
}

TEST_F(cuda_staging, begins_after_what_the_stream_has_to_do) {
  for (const bool chunked : {false, true}) {
    cuda_on_host::reset();
    cuda_on_host::set_execution(execution::deferred);
    {
      image x(border::zero(), chunked ? 64 : 4096);
      cudaStream_t on = nullptr;
      ASSERT_EQ(cudaStreamCreateWithFlags(&on, cudaStreamNonBlocking), cudaSuccess);
      int* before = nullptr;
      ASSERT_EQ(cudaMalloc(&before, 4), cudaSuccess);
      ASSERT_EQ(cudaMemsetAsync(before, 0, 4, on), cudaSuccess);
      x.run(on);
      x.expect_right();
      EXPECT_EQ(cudaStreamQuery(on), cudaSuccess) << "nothing was left in the stream";
      EXPECT_EQ(cudaStreamDestroy(on), cudaSuccess);
      EXPECT_EQ(cudaFree(before), cudaSuccess);
    }
  }
}

TEST_F(cuda_staging, takes_the_callers_page_locked_memory_as_it_is) {
  image x(border::symmetric());
  void* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 2048), cudaSuccess);
  auto* const bytes = static_cast<std::uint8_t*>(pinned);
  const view<std::uint8_t> in(bytes, {64, 16});
  const view<std::uint8_t> out(bytes + 1024, {64, 16});
  cuda::unpack(in, static_cast<const std::byte*>(x.in.view().data()), 0, 1024);
  const auto answer = solve(x.p.said, in, x.taps.view());
  const auto locked = count_of(calls(), "cudaMallocHost");
  for (const execution when : {execution::eager, execution::deferred, execution::interleaved}) {
    cuda_on_host::set_execution(when);
    std::fill(bytes + 1024, bytes + 2048, std::uint8_t{99});
    x.made->run(in, out, {}, {});
    EXPECT_EQ(difference(x.p.said, answer, out, true), "");
  }
  EXPECT_EQ(count_of(calls(), "cudaMallocHost"), locked);
  // What is not dense has to be packed.
  x.made->run(view<const std::uint8_t>(bytes + 1023, {64, 16}, {.row = -16, .col = -1}), out, {},
              {});
  EXPECT_EQ(count_of(calls(), "cudaMallocHost"), locked + 2);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(cuda_staging, takes_memory_that_is_page_locked_in_part_for_what_it_is) {
  for (const bool known : {true, false}) {
    cuda_on_host::reset({.knows_ranges = known});
    image x(border::symmetric());
    void* const begin = x.in.view().data();
    ASSERT_EQ(cudaHostRegister(begin, known ? 1000 : 1024, 0), cudaSuccess);
    x.run();
    x.expect_right();
    EXPECT_EQ(count_of(calls(), "cudaMallocHost"), 4) << "or where nobody knows how much is";
    EXPECT_EQ(cudaHostUnregister(begin), cudaSuccess);
  }
}

// ---- Far away -----------------------------------------------------------------------------------

/// Address space of which only the pages that are touched become memory.
class sparse_memory {
 public:
  explicit sparse_memory(std::size_t bytes)
      : bytes_(bytes),
        data_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (data_ == MAP_FAILED) throw std::bad_alloc();
  }
  sparse_memory(const sparse_memory&) = delete;
  sparse_memory& operator=(const sparse_memory&) = delete;
  ~sparse_memory() { munmap(data_, bytes_); }

  [[nodiscard]] std::uint8_t* data() const noexcept { return static_cast<std::uint8_t*>(data_); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::size_t bytes_;
  void* data_;
};

constexpr std::int64_t far = (std::int64_t{1} << 31) + 5;

TEST_F(cuda_staging, packs_elements_that_lie_far_apart) {
  const sparse_memory memory(2 * far + 100);
  const buffer taps(dtype::u8, {2, 1}, {1, 10});
  const complete_problem p({.in = {3, 2}, .mode = mode::valid}, taps.view());
  const auto made = cuda::make_runnable(p.request(), cuda::direct_kernels, {2, 2});
  for (const std::int64_t r : {0, 1, 2})
    for (const std::int64_t c : {0, 1})
      memory.data()[r * far + c] = static_cast<std::uint8_t>(2 * r + c + 1);
  const view<const std::uint8_t> in(memory.data(), {3, 2}, {.row = far});
  const view<std::uint8_t> out(memory.data() + 10 + far, {2, 2}, {.row = -far});
  made->run(in, out, {}, {});
  for (const std::int64_t r : {0, 1})
    for (const std::int64_t c : {0, 1})
      EXPECT_EQ(memory.data()[10 + far - r * far + c], 2 * (r + 1) + c + 1 + 10 * (2 * r + c + 1));
}

// The stand-in lets kernels read page-locked memory, which need not be there before it is touched. Large
// enough for a tile that lies inside.
TEST_F(cuda_staging, kernels_reach_elements_that_lie_far_apart) {
  const extent in(66, 70);
  const strides step{.row = (std::int64_t{1} << 26) + 3000, .col = -3, .plane = 300};
  const sparse_memory memory(static_cast<std::size_t>(in.rows * step.row));
  ASSERT_EQ(cudaHostRegister(memory.data(), memory.size(), 0), cudaSuccess);
  const buffer taps(dtype::u8, {2, 2}, {1, 2, 2, 4});
  const complete_problem p({.in = in, .planes = 2, .mode = mode::valid}, taps.view());
  std::uint8_t* const x = memory.data() + 300;
  std::uint8_t* const y = memory.data() + 1300;
  const auto at = [&](std::int64_t plane, std::int64_t r, std::int64_t c) {
    return plane * step.plane + r * step.row + c * step.col;
  };
  const auto value = [](std::int64_t plane, std::int64_t r, std::int64_t c) {
    return static_cast<std::uint8_t>((7 * plane + 5 * r + 3 * c) % 23);
  };
  for_each_element(in, 2, [&](auto q, auto r, auto c) { x[at(q, r, c)] = value(q, r, c); });
  for (const cuda_algorithm& a : cuda_algorithms()) {
    if (!a.refusal(p.request()).empty()) continue;
    const auto made = a.make(p.request());
    made->launch({.in = {x, dtype::u8, step},
                  .out = {y, dtype::u8, step},
                  .row = p.form.row,
                  .col = p.form.col,
                  .planes = 2,
                  .rows = {0, p.form.row.out},
                  .cols = {0, p.form.col.out},
                  .border = border_kind::zero,
                  .policy = overflow::saturate,
                  .outside_re = 0,
                  .outside_im = 0},
                 nullptr, nullptr);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess) << cuda_on_host::complaint();
    for_each_element(p.output_extent(), 2, [&](auto q, auto r, auto c) {
      std::uint8_t& result = y[at(q, r, c)];
      ASSERT_EQ(result, value(q, r + 1, c + 1) + 2 * value(q, r + 1, c) + 2 * value(q, r, c + 1) +
                            4 * value(q, r, c))
          << a.name << ", " << r << ", " << c;
      result = 0;
    });
  }
  EXPECT_EQ(cudaHostUnregister(memory.data()), cudaSuccess);
}

/// A few outputs around `at` of a signal or column of 2^40 samples that are all the same byte: the border
/// shows where it ends.
void expect_the_end_at(const cuda_algorithm& a, bool column) {
  const std::int64_t n = std::int64_t{1} << 40;
  const buffer taps(dtype::u8, column ? extent{3, 1} : extent{1, 3}, {1, 1, 1});
  const complete_problem p({.in = column ? extent{n, 1} : extent{1, n},
                            .types = {dtype::u8, dtype::u8, dtype::u8},
                            .mode = mode::full},
                           taps.view());
  if (!a.refusal(p.request()).empty()) return;
  std::uint8_t* memory = nullptr;
  ASSERT_EQ(cudaMallocManaged(&memory, 16), cudaSuccess);
  memory[0] = 5;
  const std::int64_t at = n - 4;
  const detail::range some{at, at + 6};
  const detail::range one{0, 1};
  const auto made = a.make(p.request());
  made->launch({.in = {memory, dtype::u8, {.row = 0, .col = 0}},
                .out = {memory + 8 - at, dtype::u8, {.row = 1, .col = 1}},
                .row = p.form.row,
                .col = p.form.col,
                .planes = 1,
                .rows = column ? some : one,
                .cols = column ? one : some,
                .border = border_kind::zero,
                .policy = overflow::saturate,
                .outside_re = 0,
                .outside_im = 0},
               nullptr, nullptr);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess) << cuda_on_host::complaint();
  EXPECT_EQ(std::vector<int>(memory + 8, memory + 14), (std::vector<int>{15, 15, 15, 15, 10, 5}))
      << a.name;
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(cuda_staging, kernels_count_beyond_32_bits) {
  for (const cuda_algorithm& a : cuda_algorithms())
    for (const bool column : {false, true}) expect_the_end_at(a, column);
}

TEST(cuda_grids, have_as_many_planes_as_fit) {
  cuda::image_params p{};
  constexpr std::intptr_t base = 1 << 20;  // never looked at
  p.in = {.data = reinterpret_cast<void*>(base), .type = dtype::f32, .step = {.plane = 100}};
  p.out = {.data = reinterpret_cast<void*>(base), .type = dtype::u8, .step = {.plane = -7}};
  p.planes = 5;
  p.rows = {10, 10 + (std::int64_t{1} << 35)};  // 2^29 rows of tiles, far more than 65535
  p.cols = {0, 33};
  std::int64_t plane = 0;
  cuda::for_each_grid(p, 64, 32, [&](const cuda::image_params& part, const cuda::tile_grid& grid) {
    EXPECT_EQ(reinterpret_cast<std::intptr_t>(part.in.data), base + plane * 400);
    EXPECT_EQ(reinterpret_cast<std::intptr_t>(part.out.data), base - plane * 7);
    EXPECT_EQ(part.planes, 1);
    EXPECT_EQ(part.rows, p.rows);
    EXPECT_EQ(grid.total, std::uint32_t{1} << 30);
    const cuda::tile_place last(grid.total - 1, grid);
    EXPECT_EQ(last.plane, part.planes - 1);
    EXPECT_EQ(last.row, (1 << 29) - 1);
    EXPECT_EQ(last.col, 1);
    plane += part.planes;
  });
  EXPECT_EQ(plane, 5);
}

TEST(cuda_grids, divide_by_products) {
  constexpr std::uint32_t most = 2147483647;
  std::mt19937 engine(1);
  const auto any = [&] { return static_cast<std::uint32_t>(engine() >> (1 + engine() % 31)); };
  for (int n = 0; n < 100000; ++n) {
    const std::uint32_t by = n < 1000 ? static_cast<std::uint32_t>(n + 1) : std::max(any(), 1u);
    const cuda::divisor d(by);
    for (const std::uint32_t dividend :
         {any(), by - 1, by, most, most / by * by, most / by * by - 1})
      if (dividend <= most) {
        ASSERT_EQ(d.quotient(dividend), dividend / by) << dividend << " / " << by;
      }
  }
}

}  // namespace
}  // namespace convgpu::test
