// SPDX-License-Identifier: Apache-2.0
// Plans on CUDA devices: memory of every kind, and mistakes. On the stand-in and on real devices.

#include <sys/mman.h>

#include <algorithm>
#include <complex>
#include <span>
#include <string>
#include <vector>

#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

using cuda_memory = on_cuda;
using cuda_mistakes = on_cuda;

// ---- Memory -------------------------------------------------------------------------------------

/// A signal worth several chunks, up and down.
struct long_signal {
#if defined(CUDA_ON_HOST)
  static constexpr std::int64_t n = 300'000;  // two: it takes its time
#else
  static constexpr std::int64_t n = 5'000'000;
#endif
  using number = std::complex<double>;

  explicit long_signal(border b)
      : p{.in = {1, n}, .filter = {1, 3}, .mode = mode::full, .border = b},
        x(static_cast<std::size_t>(n)),
        expected(static_cast<std::size_t>(n + 2)) {
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = number(static_cast<double>(i % 1001), static_cast<double>(i % 13));
    plan(p, taps, {.device = device::cpu()}).run(x, expected);
  }
  [[nodiscard]] plan make() const {
    return plan(p, taps, {.device = device::cuda(0)});
  }

  problem p;
  std::vector<number> taps{1, 2, number(0, 1)};
  std::vector<number> x;
  std::vector<number> expected;
};

TEST_F(cuda_memory, of_the_host_is_copied_in_chunks) {
  for (const border& b : {border::mirror(), border::wrap()}) {
    const long_signal s(b);
    const plan made = s.make();
    for (int again = 0; again < 2; ++again) {
      std::vector<long_signal::number> y(s.expected.size());
      made.run(s.x, y);
      EXPECT_EQ(y, s.expected);
    }
  }
}

TEST_F(cuda_memory, of_the_host_may_be_page_locked) {
  const long_signal s(border::wrap());
  const plan made = s.make();
  void* pinned = nullptr;
  const std::size_t bytes = s.x.size() * sizeof(long_signal::number);
  ASSERT_TRUE(works(cudaMallocHost(&pinned, bytes)));
  auto* const x = static_cast<long_signal::number*>(pinned);
  std::copy(s.x.begin(), s.x.end(), x);
  std::vector<long_signal::number> y(s.expected.size());
  ASSERT_TRUE(works(cudaHostRegister(y.data(), y.size() * sizeof y[0], cudaHostRegisterDefault)));
  made.run(std::span<const long_signal::number>(x, s.x.size()), y);
  EXPECT_EQ(y, s.expected);
  works(cudaHostUnregister(y.data()));
  works(cudaFreeHost(pinned));
}

TEST_F(cuda_memory, may_be_managed) {
  float* memory = nullptr;
  ASSERT_TRUE(works(
      cudaMallocManaged(reinterpret_cast<void**>(&memory), 2 * count * 4, cudaMemAttachGlobal)));
  const floats source = counting(5);
  const plan made = make(2);
  for (const bool as_device : {true, false}) {
    std::copy(source.begin(), source.end(), memory);
    std::fill_n(memory + count, count, -1.0F);
    if (as_device)
      made.run(device_view<const float>(memory, size), device_view<float>(memory + count, size));
    else made.run(view<const float>(memory, size), view<float>(memory + count, size));
    works(cudaDeviceSynchronize());
    EXPECT_EQ(floats(memory + count, memory + 2 * count), blurred(source, 2));
  }
  works(cudaFree(memory));
}

TEST_F(cuda_memory, may_be_in_any_steps) {
  const floats source = counting(5);
  for (const std::string& name : cuda_algorithm_names()) {
    const plan made = make(2, name);
    // Backwards, in columns, with gaps; in the middle of an allocation.
    device_array<float> x(2 * count + 7);
    device_array<float> y(3 * count + 7);
    floats strewn(2 * count + 7);
    for (std::size_t r = 0; r < 20; ++r)
      for (std::size_t c = 0; c < 30; ++c)
        strewn[2 * count - 2 * (c * 20 + r)] = source[r * 30 + c];
    x.set(strewn);
    y.set(floats(3 * count + 7, -7.0F));
    made.run(device_view<const float>(x.data() + 2 * count, size, {.row = -2, .col = -40}),
             device_view<float>(y.data() + 3, size, {.row = 90, .col = 3}));
    const floats found = whole(y.values());
    const floats expected = blurred(source, 2);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const bool element = i >= 3 && (i - 3) % 3 == 0 && (i - 3) / 3 < count;
      ASSERT_EQ(found[i], element ? expected[(i - 3) / 3] : -7.0F) << name << ", " << i;
    }
  }
}

TEST_F(cuda_memory, of_the_host_may_be_repeated_and_far_apart) {
  // Rows more than 2^31 elements apart, in address space that is not there until it is touched.
  const std::int64_t far = (std::int64_t{1} << 31) + 3;
  const auto bytes = static_cast<std::size_t>(far) * 2 * 4 + 400;
  void* const space = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(space, MAP_FAILED);
  auto* const x = static_cast<float*>(space);
  for (std::int64_t c = 0; c < 5; ++c) x[2 * far - c] = static_cast<float>(c + 1);
  for (std::int64_t c = 0; c < 5; ++c) x[far - c] = static_cast<float>(10 * (c + 1));
  const plan made({.in = {2, 5}, .filter = {2, 1}, .planes = 2, .mode = mode::valid}, floats{1, 2},
                  {.device = device::cuda(0)});
  floats y(10);
  made.run(view<const float>(x + 2 * far, {2, 5}, 2, {.row = -far, .col = -1, .plane = 0}), y);
  EXPECT_EQ(y, (floats{12, 24, 36, 48, 60, 12, 24, 36, 48, 60}));
  munmap(space, bytes);
}

TEST_F(cuda_memory, of_a_repeated_sample_may_have_more_than_32_bits_of_them) {
  // Every 2^31st of 2^33 sums of two samples that are all the same.
  const device_array<float> x(floats{3});
  device_array<float> y(4);
  const std::int64_t n = std::int64_t{1} << 33;
  const plan made(
      {.in = {1, n}, .filter = {1, 2}, .mode = mode::same, .stride = {1, std::int64_t{1} << 31}},
      floats{1, 2}, {.device = device::cuda(0)});
  made.run(device_view<const float>(x.data(), {1, n}, {.row = 0, .col = 0}),
           device_view<float>(y.data(), {1, 4}));
  works(cudaDeviceSynchronize());
  EXPECT_EQ(y.values(), (floats{3, 9, 9, 9}));
}

/// Sums of three ones, of so many that nobody looks at all of them.
void expect_sums_of_ones(extent of, extent taps) {
  const auto n = static_cast<std::size_t>(of.count());
  const device_array<std::uint8_t> x(n);
  const device_array<std::uint8_t> y(n);
  works(cudaMemset(x.data(), 1, n));
  for (const std::string& name : cuda_algorithm_names()) {
    works(cudaMemset(y.data(), 0, n));
    std::optional<plan> made;
    try {
      made.emplace(problem{.in = of, .filter = taps, .mode = mode::same},
                   std::vector<std::uint8_t>(3, 1),
                   options{.device = device::cuda(0), .algorithm = name});
    } catch (const unsupported&) {
      continue;  // no integers
    }
    made->run(device_view<const std::uint8_t>(x.data(), of),
              device_view<std::uint8_t>(y.data(), of));
    const auto at = [&](std::size_t i) {
      std::uint8_t value = 0;
      works(cudaMemcpy(&value, y.data() + i, 1, cudaMemcpyDeviceToHost));
      return static_cast<int>(value);
    };
    for (const std::size_t i : {std::size_t{1}, n / 3, n / 2, n - 5, n - 2})
      EXPECT_EQ(at(i), 3) << i;
    EXPECT_EQ(at(0), 2);
    EXPECT_EQ(at(n - 1), 2);
  }
}

TEST_F(cuda_memory, holds_more_than_65535_rows_of_tiles) {
#if defined(CUDA_ON_HOST)
  GTEST_SKIP() << "too many for it";
#endif
  expect_sums_of_ones({65536 * 64 + 100, 1}, {3, 1});
}

TEST_F(cuda_memory, holds_more_elements_than_fit_into_32_bits) {
#if defined(CUDA_ON_HOST)
  GTEST_SKIP() << "too many for it";
#endif
  std::size_t available = 0;
  std::size_t all = 0;
  works(cudaMemGetInfo(&available, &all));
  if (available < std::size_t{10} << 30)
    GTEST_SKIP() << available << " bytes of memory are too few";
  expect_sums_of_ones({1, (std::int64_t{1} << 32) + 70'000}, {1, 3});
}

TEST_F(cuda_memory, holds_the_smallest_of_problems) {
  const plan made({.in = {1, 1}, .filter = {1, 1}}, floats{4}, {.device = device::cuda(0)});
  floats y(1);
  made.run(floats{5}, y);
  EXPECT_EQ(y, floats{20});
}

// ---- Mistakes -----------------------------------------------------------------------------------

template <class F>
void expect_invalid(F f, std::initializer_list<std::string> words) {
  try {
    f();
    ADD_FAILURE() << "no complaint; expected one with " << *words.begin();
  } catch (const invalid_problem& e) {
    for (const std::string& word : words)
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos)
          << e.what() << "\nlacks " << word;
  }
}

TEST_F(cuda_mistakes, in_kinds_of_memory_are_named) {
  const plan made = make(1);
  const plan on_cpu(blur, box(1), {.device = device::cpu()});
  floats host(count);
  const device_array<float> x(counting());
  device_array<float> y(count);
  void* pinned = nullptr;
  ASSERT_TRUE(works(cudaMallocHost(&pinned, count * 4)));
  const device_view<float> not_device(host.data(), size);
  const device_view<float> only_pinned(static_cast<float*>(pinned), size);
  const view<float> not_host(y.data(), size);
  const own_stream on;
  // Also while a graph is being captured, which goes on.
  for (const bool capturing : {false, true}) {
    if (capturing) works(cudaStreamBeginCapture(on.get(), cudaStreamCaptureModeGlobal));
    expect_invalid([&] { made.run(not_device, image(y), on.get()); },
                   {"in: not memory of a device", "allowed: memory of cuda:0"});
    expect_invalid([&] { made.run(image(x), not_device, on.get()); },
                   {"out: not memory of a device"});
    expect_invalid([&] { made.run(image(x), only_pinned, on.get()); },
                   {"out: page-locked memory of the host", "memory of cuda:0"});
    expect_invalid([&] { made.run(image(x), host, on.get()); },
                   {"out: host memory; allowed: device memory"});
    expect_invalid([&] { made.run(floats(count), image(y), on.get()); },
                   {"out: device memory; allowed: host memory"});
    if (!capturing) {
      expect_invalid([&] { made.run(not_host, host); },
                     {"in: memory of cuda:0 in a view of host memory", "device_view"});
      expect_invalid([&] { made.run(host, not_host); }, {"out: memory of cuda:0"});
    } else {
      expect_invalid([&] { made.run(floats(count), host, on.get()); },
                     {"in: host memory, while a graph is captured", "allowed: device memory"});
    }
    expect_invalid([&] { on_cpu.run(image(x), host); },
                   {"in: device memory; allowed: host memory"});
    expect_invalid([&] { on_cpu.run(host, image(y)); },
                   {"out: device memory; allowed: host memory"});
    expect_invalid([&] { on_cpu.run(floats(count), host, on.get()); }, {"stream", "CPU"});
  }
  cudaGraph_t graph = nullptr;
  ASSERT_TRUE(works(cudaStreamEndCapture(on.get(), &graph)));
  works(cudaGraphDestroy(graph));
  works(cudaFreeHost(pinned));
}

TEST_F(cuda_mistakes, in_reaches_are_named) {
  const plan made = make(1);
  const device_array<float> x(count + 10);
  device_array<float> y(count + 10);
  const auto in = [&](std::ptrdiff_t first, strides step) {
    made.run(device_view<const float>(x.data() + first, size, step), image(y));
  };
  in(10, dense(size));
  in(609, {.row = -30, .col = -1});
  in(11, {.row = 30, .col = 0});
  expect_invalid([&] { in(11, dense(size)); },
                 {"in: from byte 44 to before byte 2444 of its allocation",
                  "from byte 0 to before byte 2440"});
  expect_invalid([&] { in(598, {.row = -30, .col = -1}); },
                 {"in: from byte -4 to before byte 2396"});
  expect_invalid([&] { in(0, {.row = 33}); }, {"in: from byte 0 to before byte 2628"});
  expect_invalid([&] { made.run(image(x), device_view<float>(y.data() + 11, size)); },
                 {"out: from byte 44"});
  works(cudaDeviceSynchronize());
}

TEST_F(cuda_mistakes, in_devices_are_named) {
  const int none = device_count();
  try {
    (void)make(1, {}, device::cuda(none));
    ADD_FAILURE() << "no complaint";
  } catch (const invalid_problem& e) {
    EXPECT_NE(std::string(e.what()).find("device: cuda:" + std::to_string(none) + "; allowed: "),
              std::string::npos)
        << e.what();
  }
  if (none < 2) GTEST_SKIP() << "one device only";
  const plan made = make(1);
  const device_array<float> x(count);
  device_array<float> y(count);
  works(cudaSetDevice(1));
  {
    const device_array<float> elsewhere(count);
    const own_stream on;
    expect_invalid([&] { made.run(image(elsewhere), image(y)); },
                   {"in: memory of cuda:1; allowed: memory of cuda:0"});
    expect_invalid([&] { made.run(image(x), image(y), on.get()); },
                   {"stream: of cuda:1; allowed: one of cuda:0"});
    floats host(count);
    expect_invalid([&] { made.run(counting(), host, on.get()); }, {"stream: of cuda:1"});
    int current = -1;
    works(cudaGetDevice(&current));
    EXPECT_EQ(current, 1);
  }
  works(cudaSetDevice(0));
}

}  // namespace
}  // namespace convgpu::test
