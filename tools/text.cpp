// SPDX-License-Identifier: Apache-2.0
// Arrays as text. A line is a row and a blank line separates planes; a single row is a signal.
// Numbers are parted by white space or a comma, # begins a comment. Literals use the same numbers.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <vector>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

using complex = std::complex<double>;

/// The values read so far.
struct collected {
  std::vector<complex> values;
  bool has_complex = false;

  [[nodiscard]] array to_array(header h) const {
    h.type = has_complex ? dtype::cf64 : dtype::f64;
    array result(h);
    if (has_complex) {
      std::ranges::copy(values, result.values<complex>().begin());
    } else {
      std::ranges::transform(values, result.values<double>().begin(),
                             [](complex value) { return value.real(); });
    }
    return result;
  }
};

/// Takes a real number off the front of `text`; std::from_chars knows no plus sign.
std::optional<double> take_real(std::string_view& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) {
    digits.remove_prefix(1);
    if (digits.starts_with('-')) return {};
  }
  double value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc{}) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// Takes `1.5`, `2j` or `1+2j` off the front of `text`.
bool take_number(std::string_view& text, collected& to) {
  const std::optional<double> first = take_real(text);
  if (!first) return false;
  complex value = *first;
  if (text.starts_with('j')) {
    value = {0.0, *first};
  } else if (text.starts_with('+') || text.starts_with('-')) {
    const std::optional<double> second = take_real(text);
    if (!second || !text.starts_with('j')) return false;
    value = {*first, *second};
  }
  if (text.starts_with('j')) {
    text.remove_prefix(1);
    to.has_complex = true;
  }
  to.values.push_back(value);
  return true;
}

constexpr std::string_view blanks = " \t\r\v\f";
constexpr std::string_view separators = " \t\r\v\f,";

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
}

/// Takes all numbers of a line. A comma may follow each, also the last.
void take_line(std::string_view line, const std::string& where, collected& to) {
  for (skip_blanks(line); !line.empty();) {
    const std::string_view token = line.substr(0, line.find_first_of(separators));
    const bool good = take_number(line, to);
    if (!good || (!line.empty() && separators.find(line[0]) == separators.npos)) {
      throw bad_file(where + ": " + in_quotes(token) +
                     " is not a number; allowed: such as 1, -2.5e3, inf, nan, 1+2j");
    }
    skip_blanks(line);
    if (line.starts_with(',')) line.remove_prefix(1);
    skip_blanks(line);
  }
}

/// Lines into rows and planes, all of the same size.
class row_counter {
 public:
  void add_row(std::int64_t cols, const std::string& where) {
    if (rows_ == 0 && planes_ == 0) cols_ = cols;
    if (cols != cols_) {
      throw bad_file(where + " has " + std::to_string(cols) + " values, the first one has " +
                     std::to_string(cols_) + "; all must have the same number");
    }
    ++rows_;
  }

  void end_plane(const std::string& where) {
    if (rows_ == 0) return;
    if (planes_ == 0) rows_of_plane_ = rows_;
    if (rows_ != rows_of_plane_) {
      throw bad_file(where + " ends a block of " + std::to_string(rows_) +
                     " rows, the first one has " + std::to_string(rows_of_plane_) +
                     "; a blank line separates planes, which must have the same size");
    }
    ++planes_;
    rows_ = 0;
  }

  [[nodiscard]] header result() const {
    return {.dimensions = rows_of_plane_ == 1 ? 1 : 2,
            .rows = rows_of_plane_,
            .cols = cols_,
            .planes = planes_};
  }

 private:
  std::int64_t cols_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t rows_of_plane_ = 0;
  std::int64_t planes_ = 0;
};

/// Parses a literal and knows where it stands in it.
class literal_parser {
 public:
  explicit literal_parser(std::string_view text) : text_(text), rest_(text) {}

  array parse() {
    expect('[');
    header h{.dimensions = 1};
    if (peek() == '[') {
      h.dimensions = 2;
      h.rows = 0;
      do {
        expect('[');
        add_row(++h.rows);
      } while (accept(','));
      if (!accept(']')) fail("expected , or ]");
    } else {
      add_row(1);
    }
    if (peek() != '\0') fail("expected nothing more");
    h.cols = cols_;
    return found_.to_array(h);
  }

 private:
  /// One row, after its opening bracket.
  void add_row(std::int64_t row) {
    std::int64_t cols = 0;
    do {
      if (peek() == '[') fail("expected a number; allowed: one or two dimensions");
      const std::string_view number = rest_;
      if (!take_number(rest_, found_)) {
        rest_ = number;
        fail("expected a number such as 1, -2.5e3, 1+2j");
      }
      ++cols;
    } while (accept(','));
    if (!accept(']')) fail("expected , or ]");
    if (row == 1) cols_ = cols;
    if (cols != cols_) {
      fail("row " + std::to_string(row) + " has " + std::to_string(cols) +
           " values, the first one has " + std::to_string(cols_));
    }
  }

  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_[0];
  }
  bool accept(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected ") + c);
  }
  [[noreturn]] void fail(const std::string& what) const {
    const auto position = static_cast<std::size_t>(rest_.data() - text_.data()) + 1;
    throw bad_file("at position " + std::to_string(position) + ": " + what);
  }

  std::string_view text_;
  std::string_view rest_;
  collected found_;
  std::int64_t cols_ = 0;
};

void print(std::integral auto value, std::string& to) {
  char digits[24];
  to.append(digits, std::to_chars(digits, std::end(digits), value).ptr);
}

/// The fewest digits that read back as the same value; no exponent for integers that need none.
template <std::floating_point T>
void print(T value, std::string& to) {
  if (std::isnan(value)) {  // without the sign, which says nothing
    to += "nan";
    return;
  }
  constexpr auto exact_below = static_cast<T>(1e15);
  const bool integer = std::abs(value) < exact_below && std::trunc(value) == value;
  char digits[32];
  const auto end = integer
                       ? std::to_chars(digits, std::end(digits), value, std::chars_format::fixed)
                       : std::to_chars(digits, std::end(digits), value);
  to.append(digits, end.ptr);
}

void print(f16 value, std::string& to) {
  print(static_cast<float>(value), to);
}
void print(bf16 value, std::string& to) {
  print(static_cast<float>(value), to);
}

template <class T>
void print(std::complex<T> value, std::string& to) {
  print(value.real(), to);
  if (!std::signbit(value.imag()) || std::isnan(value.imag())) to += '+';
  print(value.imag(), to);
  to += 'j';
}

}  // namespace

std::optional<double> parse_real(std::string_view text) {
  const std::optional<double> value = take_real(text);
  return text.empty() ? value : std::nullopt;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string result = "'";
  for (const char c : text.substr(0, longest)) result += c >= 0x20 && c < 0x7f ? c : '?';
  return result + (text.size() > longest ? "...'" : "'");
}

bool is_text(bytes file) {
  return std::ranges::none_of(as_text(file), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && blanks.find(c) == blanks.npos && c != '\n') ||
           c == 0x7f;
  });
}

array decode_text(bytes file) {
  collected found;
  row_counter rows;
  std::string_view rest = as_text(file);
  std::string where;
  for (std::int64_t line_number = 1; !rest.empty(); ++line_number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    where = "line " + std::to_string(line_number);

    const std::string_view numbers = line.substr(0, line.find('#'));
    const std::size_t before = found.values.size();
    take_line(numbers, where, found);
    if (const std::size_t cols = found.values.size() - before; cols > 0) {
      rows.add_row(static_cast<std::int64_t>(cols), where);
    } else if (numbers.size() == line.size()) {  // a line with only a comment is not blank
      rows.end_plane(where);
    }
  }
  rows.end_plane(where);
  if (found.values.empty()) throw bad_file("the text has no numbers in it");
  return found.to_array(rows.result());
}

std::string why_not_text(const header&) {
  return {};
}

std::string encode_text(const array& a) {
  std::string text;
  visit_type(a.type, [&]<class T>(std::type_identity<T>) {
    const T* value = a.values<T>().data();
    for (std::int64_t plane = 0; plane < a.planes * a.batch; ++plane) {
      if (plane > 0) text += '\n';
      for (std::int64_t row = 0; row < a.rows; ++row) {
        for (std::int64_t col = 0; col < a.cols; ++col) {
          if (col > 0) text += ' ';
          print(*value++, text);
        }
        text += '\n';
      }
    }
  });
  return text;
}

array parse_literal(std::string_view text) {
  return literal_parser(text).parse();
}

}  // namespace convgpu::tools
