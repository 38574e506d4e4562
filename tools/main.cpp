// SPDX-License-Identifier: Apache-2.0
// The program `convgpu`: the library for files, from the command line.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <complex>
#include <convgpu/convgpu.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iomanip>
#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "filtering.hpp"
#include "formats.hpp"

namespace {

using namespace convgpu;
using namespace convgpu::tools;
using std::string;

/// The words of the command line, as typed.
struct arguments {
  string input;
  string filter;
  string output;
  string mode;
  string border;
  string value;
  string origin;
  string device = "auto";
  string algorithm = "auto";
  string tolerance;
  string overflow = "saturate";
  string out_type;
  string layout;
  string groups;
  string padding;
  string stride;
  string dilation;
  int threads = 0;
  string explain;
};

double parse_number(const string& text, const char* option) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size())
    throw bad_file(string(option) + ": \"" + text + "\"; allowed: a number");
  return value;
}

/// As in a literal: real or complex.
std::complex<double> parse_value(const string& text) {
  const string message = "--value: \"" + text + "\"; allowed: a number such as 1, -2.5e3 or 1+2j";
  try {
    const array value = convert(read("[" + text + "]"), dtype::cf64);
    if (value.dimensions != 1 || value.count() != 1) throw bad_file(message);
    return value.values<std::complex<double>>().front();
  } catch (const bad_file&) {
    throw bad_file(message);
  }
}

/// As many whole numbers, with commas between them, as `counts` has.
std::vector<std::int64_t> parse_whole_numbers(std::string_view text, const string& option,
                                              std::initializer_list<std::size_t> counts,
                                              const char* allowed) {
  std::vector<std::int64_t> numbers;
  bool good = true;
  for (std::string_view rest = text; good;) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const auto [end, status] =
        std::from_chars(part.data(), part.data() + part.size(), numbers.emplace_back());
    good = status == std::errc{} && end == part.data() + part.size();
    if (part.size() == rest.size()) break;
    rest.remove_prefix(part.size() + 1);
  }
  if (!good || std::ranges::find(counts, numbers.size()) == counts.end())
    throw bad_file(option + ": \"" + string(text) + "\"; allowed: " + allowed);
  return numbers;
}

offset parse_origin(const string& text) {
  const auto n =
      parse_whole_numbers(text, "--origin", {1, 2}, "two whole numbers R,C, or C for a signal");
  return n.size() == 1 ? offset{0, n[0]} : offset{n[0], n[1]};
}

/// Of rows and columns; of a signal's columns.
extent parse_extent(const string& text, const char* option) {
  const auto n = parse_whole_numbers(text, option, {1, 2}, "whole numbers: one for both, or R,C");
  return {n.front(), n.back()};
}

wishes read_wishes(const arguments& a, operation op) {
  wishes w{.op = op};
  if (!a.mode.empty()) w.mode = parse_mode(a.mode);
  if (!a.border.empty()) w.border = border(parse_border(a.border));
  if (!a.value.empty()) {
    if (!w.border || w.border->kind() != border_kind::constant)
      throw bad_file("--value: given without --border constant, which is what it is for");
    w.border = border::constant(parse_value(a.value));
  } else if (w.border && w.border->kind() == border_kind::constant) {
    throw bad_file("--border: constant without --value; allowed: --border constant --value C");
  }
  if (!a.origin.empty()) w.origin = parse_origin(a.origin);
  w.overflow = parse_overflow(a.overflow);
  if (!a.layout.empty()) w.order = parse_layout(a.layout);
  if (!a.groups.empty())
    w.groups = parse_whole_numbers(a.groups, "--groups", {1}, "a whole number")[0];
  if (!a.padding.empty())
    w.padding = parse_whole_numbers(a.padding, "--padding", {1, 2, 4},
                                    "whole numbers: one for all sides, R,C or T,B,L,R");
  if (!a.stride.empty()) w.stride = parse_extent(a.stride, "--stride");
  if (!a.dilation.empty()) w.dilation = parse_extent(a.dilation, "--dilation");
  if (!a.out_type.empty()) w.out_type = parse_dtype(a.out_type);
  return w;
}

options read_options(const arguments& a) {
  options how{.device = parse_device(a.device), .max_threads = a.threads};
  if (a.algorithm != "auto") how.algorithm = a.algorithm;
  if (!a.tolerance.empty()) how.tolerance = parse_number(a.tolerance, "--tolerance");
  return how;
}

prepared read_problem(const arguments& a, operation op) {
  const wishes w = read_wishes(a, op);
  const filter_source filter = read_filter(a.filter);
  prepared p = prepare(read(a.input), filter, w);
  validate(p.problem);
  return p;
}

void filter_files(const arguments& a, operation op) {
  const options how = read_options(a);
  const prepared p = read_problem(a, op);
  check_writable_format(a.output, result_header(p));  // before anything is computed
  outcome o = run(p, how);
  write(a.output, finish(p, std::move(o.result), how));
  if (!a.explain.empty()) {
    const bool json = a.explain == "json";
    (a.output == "-" ? std::cerr : std::cout) << (json ? o.explanation_json + "\n" : o.explanation);
  }
}

// --- verify ---------------------------------------------------------------------------------------------

/// What an algorithm may be off by: four roundings in the problem's own type for each product and sum, or the tolerance
/// asked for, on what ‖h‖₁·max|x| can come to, and half a step of the output's type.
double allowed_difference(const prepared& p, const options& how) {
  if (is_integer(p.problem.types.in) && is_integer(p.problem.types.filter) &&
      is_integer(p.problem.types.out))
    return 0.0;
  // Of runs of `length` the largest sum.
  const auto modulus_sum = [](const array& a, std::int64_t length) {
    double result = 0;
    double sum = 0;
    const array c = convert(a, dtype::cf64);
    std::int64_t i = 0;
    for (const auto v : c.values<std::complex<double>>()) {
      if (i++ % length == 0) sum = 0;
      if (const double m = std::abs(v); std::isfinite(m)) sum += m;
      result = std::max(result, sum);
    }
    return result;
  };
  const std::int64_t taps = p.problem.filter.count() * (p.problem.channels / p.problem.groups);
  const double scale = modulus_sum(p.filter, taps) *
                       std::max(modulus_sum(p.in, 1), std::abs(p.problem.border.value()));
  const dtype out = p.problem.types.out;
  const bool f64 = is_integer(p.problem.types.in) || p.problem.types.in == dtype::f64 ||
                   p.problem.types.in == dtype::cf64;
  const double sums = f64 ? 0x1p-53 : 0x1p-24;
  const double stored = out == dtype::bf16                        ? 0x1p-8
                        : out == dtype::f16                       ? 0x1p-11
                        : out == dtype::f32 || out == dtype::cf32 ? 0x1p-24
                                                                  : 0x1p-53;
  const double step = is_integer(out) ? 1.0 : 0.0;  // a sum next to a tie may fall either way
  const double roundings =
      (static_cast<double>(taps) + 2) * (is_complex(p.problem.types.filter) ? 8 : 4);
  return scale * (std::max(roundings * sums, how.tolerance.value_or(0)) + stored) + step;
}

/// Every algorithm, or those of the device asked for, or the one asked for, against the reference.
/// \returns whether all agreed.
bool verify(const arguments& a, operation op) {
  const options asked = read_options(a);
  const bool any_device = asked.device.kind() == device_kind::automatic;
  const prepared p = read_problem(a, op);
  // What cannot be had is told of, as when convolving.
  if (!any_device || !asked.algorithm.empty()) std::ignore = run(p, asked);
  options how = asked;
  how.algorithm = "cpu/reference";
  how.device = device::cpu();
  const outcome reference = run(p, how);
  const double allowed = allowed_difference(p, asked);

  bool agreed = true;
  std::cout << std::left << std::setw(20) << "algorithm" << std::right << std::setw(14)
            << "max error" << std::setw(14) << "time" << std::setw(12) << "ratio" << '\n';
  const auto row = [&](const string& name, double error, double seconds) {
    std::cout << std::left << std::setw(20) << name << std::right << std::setw(14)
              << std::setprecision(3) << error << std::setw(11) << std::setprecision(4)
              << seconds * 1e3 << " ms" << std::setw(11) << std::setprecision(3)
              << reference.seconds / seconds << 'x'
              << (error <= allowed ? "" : "  WRONG: more than ");
    if (error > allowed) std::cout << allowed;
    std::cout << '\n';
    agreed = agreed && error <= allowed;
  };
  row("cpu/reference", 0.0, reference.seconds);
  for (const backend_info& b : backends()) {
    if (!any_device && parse_device(b.name).kind() != asked.device.kind()) continue;
    if (!b.unavailable.empty()) {
      std::cout << b.name << ": " << b.unavailable << '\n';
      continue;
    }
    for (const auto& algorithm : b.algorithms) {
      if (algorithm.name == "cpu/reference") continue;
      if (!asked.algorithm.empty() && algorithm.name != asked.algorithm) continue;
      how.algorithm = algorithm.name;
      how.device = any_device ? parse_device(b.name) : asked.device;
      try {
        const outcome o = run(p, how, 3);
        row(algorithm.name, largest_difference(o.result, reference.result), o.seconds);
      } catch (const unsupported& refusal) {
        std::cout << std::left << std::setw(20) << algorithm.name << refusal.what() << '\n';
      }
    }
  }
  return agreed;
}

// --- info -----------------------------------------------------------------------------------------------

void info() {
  std::cout << "convgpu " << version() << '\n';
  for (const backend_info& b : backends()) {
    std::cout << b.name << ": " << (b.unavailable.empty() ? "ready" : b.unavailable) << '\n';
    for (const string& device : b.devices) std::cout << "  device     " << device << '\n';
    for (const auto& algorithm : b.algorithms)
      std::cout << "  algorithm  " << std::left << std::setw(18) << algorithm.name
                << algorithm.summary << '\n';
  }
}

// --- the command line -------------------------------------------------------------------------------------

void add_problem(CLI::App& command, arguments& a) {
  command
      .add_option("INPUT", a.input,
                  "a .npy file of one to four dimensions, a .png, .pgm, .ppm, .jpg, .wav, .flac or "
                  ".txt file, a literal such as [[0,3,0],[0,1,2]], or chart:SIZE")
      ->required();
  command
      .add_option(
          "FILTER", a.filter,
          "the same, or a name: gaussian:SIGMA, box:N, sobel:x, sobel:y, laplacian, sharpen, "
          "emboss, shift:DX,DY, motion:LEN,DEG, delta; with two dimensions it filters each plane "
          "by "
          "itself, with four it sums channels: FILTERS x CHANNELS/GROUPS x ROWS x COLUMNS; with "
          "three it leaves out the first of these, or, where that is 1, the second")
      ->required();
  command.add_option("--mode", a.mode, "full, same or valid (images: same; else full)");
  command.add_option(
      "--border", a.border,
      "zero, constant, replicate, symmetric, mirror or wrap (images: mirror; else zero)");
  command.add_option("--value", a.value, "the value of --border constant");
  command.add_option("--origin", a.origin, "R,C: moves the window of mode same");
  command.add_option("--device", a.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command.add_option("--algorithm", a.algorithm, "auto, or a name that `convgpu info` lists")
      ->capture_default_str();
  command.add_option("--tolerance", a.tolerance,
                     "error allowed, relative to |filter| times max |input|");
  command.add_option("--overflow", a.overflow, "saturate or wrap, for integer results")
      ->capture_default_str();
  command.add_option("--out-type", a.out_type,
                     "u8 i8 u16 i16 i32 i64 f16 bf16 f32 f64 cf32 cf64 (default: the input's)");
  command.add_option("--layout", a.layout,
                     "channels_first (nchw) or channels_last (nhwc): where arrays of three and "
                     "four dimensions have their channels, and the output, too (default: first; "
                     "last for pictures and sounds written as .npy)");
  command.add_option("--groups", a.groups,
                     "groups that channels and filters are dealt out to; as many as channels: each "
                     "has filters of its own (default: 1)");
  command.add_option("--padding", a.padding,
                     "with mode valid, how far the filter may reach over the input's edges: "
                     "T,B,L,R, or R,C, or one number; L,R or one number for a signal");
  command.add_option(
      "--stride", a.stride,
      "every so many-th row and column of the result: R,C, or one number (default: 1)");
  command.add_option("--dilation", a.dilation,
                     "distance of neighbouring taps: R,C, or one number (default: 1)");
  command.add_option("--threads", a.threads, "threads at most; 0 for all")->capture_default_str();
  // Such as of a variable that is not set: not a wish for the default.
  for (CLI::Option* option :
       command.get_options([](CLI::Option* o) { return !o->get_positional(); }))
    option->check([](const string& value) { return string(value.empty() ? "is empty" : ""); });
}

/// `message` as one line for people.
int fail(int status, string message) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::ranges::replace_if(message, control, ' ');
  std::cerr << "convgpu: " << message << '\n';
  return status;
}

int finish_output() {
  std::cout.flush();
  return std::cout ? 0 : fail(1, "standard output: cannot be written");
}

int run_program(int argc, char** argv) {
  CLI::App app{"1D and 2D convolution and correlation of files, with channels"};
  app.name("convgpu");
  app.require_subcommand(1);
  app.set_version_flag("--version", string(version()));
  arguments a;

  CLI::App* const convolve = app.add_subcommand("convolve", "INPUT convolved with FILTER");
  CLI::App* const correlate =
      app.add_subcommand("correlate", "INPUT correlated with FILTER, unflipped");
  for (CLI::App* command : {convolve, correlate}) {
    add_problem(*command, a);
    command
        ->add_option("-o,--output", a.output, "a file, its format by its extension; - prints text")
        ->required();
    command
        ->add_flag("--explain{text}", a.explain,
                   "say what was chosen and why; --explain=json for programs")
        ->check(CLI::IsMember({"text", "json"}));
  }
  CLI::App* const check = app.add_subcommand(
      "verify", "every algorithm that accepts the problem, against the reference");
  add_problem(*check, a);
  bool correlation = false;
  check->add_flag("--correlate", correlation, "correlate instead of convolve");
  CLI::App* const measuring = app.add_subcommand(
      "calibrate", "measure how fast this machine is, for the choice of algorithms");
  string rates_file = calibration_file();
  measuring
      ->add_option("-o,--output", rates_file,
                   "the file to write (default: where the library looks for it)")
      ->check([](const string& value) { return string(value.empty() ? "is empty" : ""); });
  CLI::App* const about = app.add_subcommand("info", "version, backends, devices, algorithms");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) return fail(2, string(e.what()) + "; see convgpu --help");
    app.exit(e);  // --help, --version
    return finish_output();
  }
  if (about->parsed()) {
    info();
  } else if (measuring->parsed()) {
    calibrate(rates_file);
    std::cout << rates_file << '\n';
  } else if (check->parsed()) {
    if (!verify(a, correlation ? operation::correlation : operation::convolution)) return 1;
  } else {
    filter_files(a, correlate->parsed() ? operation::correlation : operation::convolution);
  }
  return finish_output();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error like a full disk
  try {
    return run_program(argc, argv);
  } catch (const bad_file& e) {
    return fail(2, e.what());
  } catch (const invalid_problem& e) {
    return fail(2, e.what());
  } catch (const unsupported& e) {
    return fail(2, e.what());
  } catch (const backend_unavailable& e) {
    return fail(2, e.what());
  } catch (const std::bad_alloc&) {
    return fail(1, "out of memory");
  } catch (const std::exception& e) {
    return fail(1, e.what());
  }
}
