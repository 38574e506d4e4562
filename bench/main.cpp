// SPDX-License-Identifier: Apache-2.0
// convgpu_bench [--threads=N | --cpu-time] [--python=PROGRAM] [--quick] [--seconds=N] [Google Benchmark's options]:
// every algorithm of every backend, and on the CPU every peer that was found, on every problem of problems.txt that is
// for it. Results are checked before they are timed; the program fails where one of this library's is wrong. One
// "iteration" of Google Benchmark is the median of many runs.

#include <benchmark/benchmark.h>
#include <malloc.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cpu_session.hpp"
#include "device_session.hpp"

namespace convgpu::bench {
namespace {

/// Options of this program.
struct settings {
  int threads = 1;        ///< of everyone on the CPU
  int seconds = 0;        ///< after which no more problems are begun; 0 for no end
  bool cpu_time = false;  ///< of one thread, on a machine that does other things, too
  bool quick = false;     ///< shorter samples, fewer of them, less patience
  std::string python;     ///< with NumPy, SciPy or PyTorch; empty for none
};

/// Those among what Google Benchmark left over; none if there is anything else.
std::optional<settings> parse(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--quick") {
      s.quick = true;
      continue;
    }
    if (argument == "--cpu-time") {
      s.cpu_time = true;
      continue;
    }
    const auto equals = argument.find('=');
    if (equals == argument.npos) return std::nullopt;
    const std::string_view name = argument.substr(0, equals);
    const std::string_view given = argument.substr(equals + 1);
    if (name == "--python" && !given.empty()) {
      s.python = given;
      continue;
    }
    if (name != "--threads" && name != "--seconds") return std::nullopt;
    int& value = name == "--threads" ? s.threads : s.seconds;
    const char* const end = given.data() + given.size();
    const auto [stop, error] = std::from_chars(given.data(), end, value);
    if (error != std::errc() || stop != end || value < 1) return std::nullopt;
  }
  if (s.cpu_time && s.threads > 1) return std::nullopt;
  return s;
}

/// What Google Benchmark will run of what is registered. Asked beforehand, since all contenders of a task are
/// measured when the first one's turn comes.
class selection {
 public:
  selection() {
    std::string pattern = benchmark::GetBenchmarkFilter();
    if (pattern.empty() || pattern == "all") pattern = ".";
    negative_ = pattern.front() == '-';
    pattern_ = std::regex(pattern.substr(negative_ ? 1 : 0), std::regex::extended);
  }
  [[nodiscard]] bool has(const std::string& title) const {
    return std::regex_search(title + "/iterations:1/manual_time", pattern_) != negative_;
  }

 private:
  std::regex pattern_;
  bool negative_ = false;
};

template <class F>
void enter(const std::string& title, F f) {
  benchmark::RegisterBenchmark(title.c_str(), f)
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMicrosecond);
}

/// What was freed stays with the process: its pages need not be had anew, by whomever.
void keep_pages() {
#if defined(M_MMAP_MAX)
  (void)mallopt(M_MMAP_MAX, 0);
  (void)mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

bool only_lists(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--benchmark_list_tests") && !argument.ends_with("=false"))
      return true;
  }
  return false;
}

int main(int argc, char** argv) {
  keep_pages();
  const bool listing = only_lists(argc, argv);
  benchmark::Initialize(&argc, argv);
  const std::optional<settings> how = parse(argc, argv);
  if (!how) {
    std::cerr << "usage: convgpu_bench [--threads=N] [--python=PROGRAM] [--cpu-time] [--quick] "
                 "[--seconds=N] "
                 "[--benchmark_…]\n";
    return 2;
  }
  using clock = std::chrono::steady_clock;
  const clock::time_point end = how->seconds > 0 ? clock::now() + std::chrono::seconds(how->seconds)
                                                 : clock::time_point::max();
  const std::vector<backend_info> backends = convgpu::backends();
  const std::vector<task> tasks = read_tasks(CONVGPU_BENCH_FOLDER "/problems.txt");
  const selection selected;
  cpu_session cpu({.threads = how->threads,
                   .quick = how->quick,
                   .watch = how->cpu_time ? stopwatch::processor : stopwatch::wall,
                   .progress = ::isatty(STDERR_FILENO) != 0,
                   .end = end});
  device_session cuda(end);

  benchmark::AddCustomContext("convgpu", std::string(version()));
  benchmark::AddCustomContext("compiler", CONVGPU_BENCH_COMPILER);
  if (how->cpu_time) benchmark::AddCustomContext("times", "of the processor");
  benchmark::AddCustomContext("cpu threads", std::to_string(how->threads));
  for (const backend_info& b : backends)
    benchmark::AddCustomContext(b.name, b.unavailable.empty() ? b.devices.front() : b.unavailable);

  std::vector<task> of_cpu;
  for (const task& t : tasks)
    if (t.suits("cpu")) of_cpu.push_back(t);
  const std::vector<peer_library> libraries =
      listing ? std::vector<peer_library>() : find_peers(how->threads, how->python, of_cpu);
  std::vector<contender> contenders = our_contenders(backends.front(), how->threads);
  for (const peer_library& library : libraries) {
    benchmark::AddCustomContext(library.name, library.version);
    contenders.insert(contenders.end(), library.contenders.begin(), library.contenders.end());
  }
  for (const task& t : of_cpu)
    for (const contender& c : contenders) {
      const std::string title = t.title(c.name);
      if (!c.suits(t) || !selected.has(title)) continue;
      cpu.add(t, c);
      enter(title, [&cpu, t, name = c.name](benchmark::State& s) { cpu.report(s, t, name); });
    }
  for (const backend_info& b : backends) {
    if (b.name == "cpu" || !b.unavailable.empty()) continue;
    for (const task& t : tasks) {
      if (!t.suits(b.name)) continue;
      for (const auto& entry : b.algorithms) {
        const bool last = &entry == &b.algorithms.back();
        if (last && !device_session::bears_plain(t)) continue;
        enter(t.title(entry.name),
              [&cuda, t, name = entry.name](benchmark::State& s) { cuda.run(s, t, name); });
      }
    }
  }
  if (!listing)
    for (const auto& [key, value] : cpu.measure_limits()) benchmark::AddCustomContext(key, value);
  // What it says of the machine goes where the results go, not between the lines of progress.
  const std::unique_ptr<benchmark::BenchmarkReporter> display(
      benchmark::CreateDefaultDisplayReporter());
  display->SetErrorStream(&std::cout);
  benchmark::RunSpecifiedBenchmarks(display.get());
  return cpu.all_right() && cuda.all_right() ? 0 : 1;
}

}  // namespace
}  // namespace convgpu::bench

int main(int argc, char** argv) {
  try {
    return convgpu::bench::main(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "convgpu_bench: " << e.what() << '\n';
    return 1;
  }
}
