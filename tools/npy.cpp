// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy: a magic number, a version, and a header that is a Python dictionary, such as
//     {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
// followed by the values. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

static_assert(std::endian::native == std::endian::little,
              "values are copied as they lie in memory");

constexpr std::string_view magic = "\x93NUMPY";

struct npy_header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

/// Reads the dictionary: its three keys in any order, in either kind of quotes, and nothing else.
class header_parser {
 public:
  explicit header_parser(std::string_view text) : rest_(text) {}

  npy_header parse() {
    npy_header result;
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted_string();
      expect(':');
      const std::size_t index = key == "descr" ? 0 : key == "fortran_order" ? 1 : 2;
      if (index == 2 && key != "shape") fail("unknown key " + in_quotes(key));
      if (std::exchange(seen[index], true)) fail("key " + in_quotes(key) + " twice");
      if (index == 0) result.descr = descr();
      if (index == 1) result.fortran_order = boolean();
      if (index == 2) result.shape = tuple();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) fail("something follows the dictionary");
    if (!seen[0] || !seen[1] || !seen[2]) fail("descr, fortran_order or shape is missing");
    return result;
  }

 private:
  [[noreturn]] static void fail(const std::string& what) { throw bad_file("NPY header: " + what); }

  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool accept(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("expected " + std::string(1, c) + " before " + in_quotes(rest_));
  }

  std::string quoted_string() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const std::size_t length = rest_.find(quote);
    if (length == rest_.npos) fail("a string does not end");
    std::string result(rest_.substr(0, length));
    rest_.remove_prefix(length + 1);
    return result;
  }

  std::string descr() {
    skip_space();
    if (rest_.starts_with('[')) fail("structured types are not accepted");
    return quoted_string();
  }

  bool boolean() {
    if (accept("True")) return true;
    if (!accept("False")) fail("fortran_order must be True or False");
    return false;
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> result;
    expect('(');
    while (!accept(')')) {
      result.push_back(size());
      if (accept(',')) continue;
      expect(')');
      // Python's (5) is a number, not a tuple.
      if (result.size() == 1) fail("shape must be a tuple");
      break;
    }
    return result;
  }

  std::int64_t size() {
    skip_space();
    std::int64_t value = 0;
    const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (problem != std::errc{} || value < 0) {
      fail("shape holds " + in_quotes(rest_.substr(0, 24)) + "; allowed: sizes from 0 to 2^63 - 1");
    }
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  std::string_view rest_;
};

/// How the file stores values, and the type they get here.
struct stored_type {
  std::string_view code;  // of NumPy, without the byte order
  dtype type;             // in the array
  std::size_t size;       // of an element in the file
};

constexpr stored_type stored_types[] = {
    {"u1", dtype::u8, 1},
    {"i1", dtype::i8, 1},
    {"u2", dtype::u16, 2},
    {"i2", dtype::i16, 2},
    {"i4", dtype::i32, 4},
    {"i8", dtype::i64, 8},
    {"f2", dtype::f16, 2},
    {"f4", dtype::f32, 4},
    {"f8", dtype::f64, 8},
    {"c8", dtype::cf32, 8},
    {"c16", dtype::cf64, 16},
    // These have no type of their own here, but one that holds their values.
    {"b1", dtype::u8, 1},
    {"u4", dtype::i64, 4},
    {"u8", dtype::i64, 8},
};

const stored_type& find_stored_type(std::string_view descr) {
  const bool ordered = !descr.empty() && std::string_view("<>|=").find(descr[0]) != descr.npos;
  for (const stored_type& s : stored_types) {
    if (ordered && descr.substr(1) == s.code && (descr[0] != '|' || s.size == 1)) return s;
  }
  throw bad_file("NPY type " + in_quotes(descr) +
                 " is not accepted; allowed: bool, 8- to 64-bit integers, float16 to float64, "
                 "complex64 and complex128");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape)
    text += std::to_string(size) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) text.resize(text.size() - 2);
  return text + ")";
}

/// The element at `from`, which need not be aligned, with the bytes of each part reversed on demand.
template <class T>
T load(const std::byte* from, bool swap) {
  constexpr std::size_t parts = is_complex(dtype_of<T>) ? 2 : 1;
  std::array<std::byte, sizeof(T)> raw{};
  std::memcpy(raw.data(), from, sizeof(T));
  if (swap) {
    for (auto part = raw.begin(); part != raw.end(); part += sizeof(T) / parts) {
      std::reverse(part, part + sizeof(T) / parts);
    }
  }
  T value{};
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

/// Copies values of the file's type `Stored` into C order, each through `narrow`.
template <class Stored, class T, class Narrow>
void copy_values(const std::byte* from, bool swap, bool fortran_order, array& to, Narrow narrow) {
  auto value = to.values<T>().begin();
  const auto copy = [&](std::int64_t place) {
    *value++ = narrow(load<Stored>(from + static_cast<std::size_t>(place) * sizeof(Stored), swap));
  };
  if (!fortran_order) {
    for (std::int64_t i = 0; i < to.count(); ++i) copy(i);
    return;
  }
  for (std::int64_t b = 0; b < to.batch; ++b)
    for (std::int64_t p = 0; p < to.planes; ++p)
      for (std::int64_t r = 0; r < to.rows; ++r)
        for (std::int64_t c = 0; c < to.cols; ++c)
          copy(((c * to.rows + r) * to.planes + p) * to.batch + b);
}

std::int64_t narrow_u64(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw bad_file("the uint64 value " + std::to_string(value) +
                   " does not fit; allowed: below 2^63");
  }
  return static_cast<std::int64_t>(value);
}

void decode_values(const std::byte* from, std::string_view descr, bool fortran_order, array& to) {
  const bool swap = descr[0] == '>';
  const std::string_view code = descr.substr(1);
  if (code == "b1") {
    copy_values<std::uint8_t, std::uint8_t>(from, swap, fortran_order, to, [](std::uint8_t value) {
      return static_cast<std::uint8_t>(value != 0 ? 1 : 0);
    });
  } else if (code == "u4") {
    copy_values<std::uint32_t, std::int64_t>(
        from, swap, fortran_order, to, [](std::uint32_t value) { return std::int64_t{value}; });
  } else if (code == "u8") {
    copy_values<std::uint64_t, std::int64_t>(from, swap, fortran_order, to, narrow_u64);
  } else if (!swap && (!fortran_order || to.dimensions == 1)) {
    if (to.data.size() != 0) std::memcpy(to.data.data(), from, to.data.size());
  } else {
    visit_type(to.type, [&]<class T>(std::type_identity<T>) {
      copy_values<T, T>(from, swap, fortran_order, to, [](T value) { return value; });
    });
  }
}

/// The text of the header, and in `rest` what follows it.
std::string_view header_text(bytes file, bytes& rest) {
  if (file.size() < 12) throw bad_file("the NPY file is cut off in its header");
  const auto byte = [&](std::size_t i) { return std::to_integer<std::size_t>(file[i]); };
  const std::size_t major = byte(6);
  if (major < 1 || major > 3) {
    throw bad_file("NPY version " + std::to_string(major) + " is not known; allowed: 1 to 3");
  }
  const std::size_t start = major == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8;
  if (major > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > file.size() - start) throw bad_file("the NPY file is cut off in its header");
  rest = file.subspan(start + length);
  return as_text(file.subspan(start, length));
}

}  // namespace

bool is_npy(bytes file) {
  return as_text(file).starts_with(magic);
}

array decode_npy(bytes file) {
  bytes values;
  const npy_header npy = header_parser(header_text(file, values)).parse();
  const stored_type& stored = find_stored_type(npy.descr);
  const std::string shape = shape_text(npy.shape);
  if (npy.shape.empty() || npy.shape.size() > 4) {
    throw bad_file("the array has shape " + shape + "; allowed: one to four dimensions");
  }
  /// Sizes from the last axis on.
  const auto size = [&](std::size_t axis) {
    return axis < npy.shape.size() ? npy.shape[npy.shape.size() - 1 - axis] : 1;
  };
  const header h{.type = stored.type,
                 .dimensions = static_cast<int>(npy.shape.size()),
                 .rows = size(1),
                 .cols = size(0),
                 .planes = size(2),
                 .batch = size(3)};
  // Nothing is smaller in the array than in the file, so that the former's size overflows first.
  const std::size_t needed = byte_count(h) / size_of(h.type) * stored.size;
  if (values.size() < needed) {
    throw bad_file("shape " + shape + " of " + npy.descr + " needs " + std::to_string(needed) +
                   " bytes, the file has " + std::to_string(values.size()));
  }
  array result(h);
  decode_values(values.data(), npy.descr, npy.fortran_order, result);
  return result;
}

std::string why_not_npy(const header& h) {
  if (h.type == dtype::bf16) return "NumPy has no type for bf16; use --out-type f32";
  return {};
}

std::string encode_npy(const array& a) {
  const std::vector<std::int64_t> shape = shape_of(a);
  const auto* stored = std::ranges::find(stored_types, a.type, &stored_type::type);
  std::string text = std::string("{'descr': '") + (stored->size == 1 ? '|' : '<') +
                     std::string(stored->code) +
                     "', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  constexpr std::size_t before = 10;  // magic number, version, length of the header
  text.append(63 - (before + text.size()) % 64, ' ');
  text += '\n';

  std::string result(magic);
  result += '\x01';
  result += '\0';
  result += static_cast<char>(text.size() & 0xff);
  result += static_cast<char>(text.size() >> 8);
  result += text;
  if (a.planes == 1 || order_of(a) == layout::channels_first)
    return result.append(reinterpret_cast<const char*>(a.data.data()), a.data.size());
  const buffer values = interleave(a);
  return result.append(reinterpret_cast<const char*>(values.data()), values.size());
}

}  // namespace convgpu::tools
