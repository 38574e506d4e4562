// SPDX-License-Identifier: Apache-2.0
// What other libraries returned, recorded in data/dialects.txt, against what their calls mean in
// ours.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <charconv>
#include <complex>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace convgpu::test {
namespace {

struct array {
  extent size;
  std::vector<std::complex<double>> values;
  bool complex = false;
};

struct record {
  std::string line;  ///< as it stands in the file
  std::string call;
  std::map<std::string, std::string> keys;
  array in;
  array filter;
  array out;
};

/// "3" or "3,-1"
std::pair<std::int64_t, std::int64_t> pair_of(const std::string& text) {
  const std::size_t comma = text.find(',');
  return {std::stoll(text), comma == std::string::npos ? 0 : std::stoll(text.substr(comma + 1))};
}

array parse_array(const std::string& line, const std::string& name) {
  std::istringstream words(line);
  std::string word;
  array a;
  words >> word >> a.size.rows >> a.size.cols;
  if (word != name) throw std::runtime_error("dialects.txt: expected " + name + ", read " + line);
  while (words >> word) {
    const auto [re, im] = pair_of(word);
    a.complex = a.complex || word.find(',') != std::string::npos;
    a.values.emplace_back(static_cast<double>(re), static_cast<double>(im));
  }
  if (a.size.count() != static_cast<std::int64_t>(a.values.size()))
    throw std::runtime_error("dialects.txt: not of the size it says: " + line);
  return a;
}

const std::vector<record>& records() {
  static const std::vector<record> all = [] {
    std::ifstream file(CONVGPU_TEST_DATA "/dialects.txt");
    const auto next_line = [&file] {
      std::string line;
      while (std::getline(file, line) && (line.empty() || line[0] == '#')) {
      }
      return file ? line : std::string();
    };
    std::vector<record> read;
    for (std::string line = next_line(); !line.empty(); line = next_line()) {
      record& r = read.emplace_back();
      r.line = line;
      std::istringstream words(line);
      std::string word;
      words >> word >> r.call;
      if (word != "case") throw std::runtime_error("dialects.txt: expected case, read " + line);
      while (words >> word)
        r.keys[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
      r.in = parse_array(next_line(), "in");
      r.filter = parse_array(next_line(), "filter");
      r.out = parse_array(next_line(), "out");
    }
    return read;
  }();
  return all;
}

problem problem_of(const record& r) {
  const auto [rows, cols] = pair_of(r.keys.at("dilation"));
  problem p{.in = r.in.size,
            .filter = r.filter.size,
            .mode = parse_mode(r.keys.at("mode")),
            .dilation = {rows, cols}};
  dialect_arguments arguments;
  if (r.keys.at("border") != "-") arguments.border = r.keys.at("border");
  arguments.value = std::stod(r.keys.at("value"));
  if (r.keys.at("origin") != "-") {
    const auto [row, col] = pair_of(r.keys.at("origin"));
    arguments.origin = offset{row, col};
  }
  return in_dialect(r.call, p, arguments);
}

template <class T>
std::vector<T> values_as(const array& a) {
  std::vector<T> values;
  for (const auto& v : a.values)
    if constexpr (std::is_same_v<T, double>) values.push_back(v.real());
    else values.push_back(v);
  return values;
}

/// The library's answer, in the types of the record.
template <class In, class Filter>
std::vector<std::complex<double>> answer(const problem& p, const record& r) {
  const std::vector<In> x = values_as<In>(r.in);
  const std::vector<Filter> h = values_as<Filter>(r.filter);
  const view<const In> in(x.data(), r.in.size);
  const view<const Filter> filter(h.data(), r.filter.size);
  const auto y =
      p.op == operation::correlation ? correlate(in, filter, p) : convolve(in, filter, p);
  return {y.begin(), y.end()};
}

std::vector<std::complex<double>> answer(const problem& p, const record& r) {
  using real = double;
  using complex = std::complex<double>;
  if (r.in.complex && r.filter.complex) return answer<complex, complex>(p, r);
  if (r.in.complex) return answer<complex, real>(p, r);
  if (r.filter.complex) return answer<real, complex>(p, r);
  return answer<real, real>(p, r);
}

class dialect_records : public testing::TestWithParam<std::string> {};

TEST_P(dialect_records, are_what_the_call_means_here) {
  int count = 0;
  for (const record& r : records()) {
    if (r.call != GetParam() || r.keys.contains("swapped")) continue;
    ++count;
    SCOPED_TRACE(r.line);
    const problem p = problem_of(r);
    const std::vector<std::complex<double>> y = answer(p, r);
    EXPECT_EQ(y, r.out.values);
    EXPECT_EQ(y.size(), static_cast<std::size_t>(r.out.size.count()));
    if (HasFailure()) FAIL() << "and perhaps more";
  }
  EXPECT_GT(count, 0);
}

// Where the call exchanges its arguments we do not, and say so.
TEST_P(dialect_records, with_arguments_exchanged_are_refused) {
  int count = 0;
  for (const record& r : records()) {
    if (r.call != GetParam() || !r.keys.contains("swapped")) continue;
    ++count;
    try {
      (void)problem_of(r);
      ADD_FAILURE() << "accepted: " << r.line;
    } catch (const invalid_problem& refusal) {
      EXPECT_NE(std::string_view(refusal.what()).find("exchange them"), std::string_view::npos)
          << refusal.what();
    }
  }
  EXPECT_EQ(count > 0, find_dialect(GetParam()).swaps != dialect::swap::never);
}

std::vector<std::string> recorded_calls() {
  std::vector<std::string> calls;
  for (const dialect& d : dialects())
    if (d.call != "arrayfire.convolve") calls.emplace_back(d.call);  // see below
  return calls;
}

INSTANTIATE_TEST_SUITE_P(every, dialect_records, testing::ValuesIn(recorded_calls()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(dialect_table, has_every_call_that_is_recorded) {
  for (const record& r : records()) EXPECT_NO_THROW((void)find_dialect(r.call)) << r.line;
}

// ArrayFire has no recorded cases. By its documentation: a convolution with zeros outside whose
// `same` starts at entry M/2 of the full result.
TEST(dialect_table, starts_arrayfire_at_half_the_filter_rounded_up) {
  for (std::int64_t taps = 1; taps <= 6; ++taps) {
    const problem p = in_dialect("arrayfire.convolve",
                                 {.in = {9, 9}, .filter = {taps, 7 - taps}, .mode = mode::same});
    EXPECT_EQ(p.op, operation::convolution);
    EXPECT_EQ(p.border, border::zero());
    EXPECT_EQ((taps - 1) / 2 + p.origin.rows, taps / 2);
    EXPECT_EQ((6 - taps) / 2 + p.origin.cols, (7 - taps) / 2);
  }
}

TEST(dialect_table, moves_nothing_outside_of_same) {
  for (const dialect& d : dialects()) {
    const problem full = in_dialect(d.call, {.in = {9, 9}, .filter = {4, 4}, .mode = mode::full});
    if (d.moved_by == dialect::argument::none) {
      EXPECT_EQ(full.origin, offset{}) << d.call;
      const problem valid =
          in_dialect(d.call, {.in = {9, 9}, .filter = {4, 4}, .mode = mode::valid});
      EXPECT_EQ(valid.origin, offset{}) << d.call;
    } else {  // knows no other mode
      EXPECT_EQ(full.mode, mode::same) << d.call;
    }
  }
}

}  // namespace
}  // namespace convgpu::test
