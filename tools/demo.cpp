// SPDX-License-Identifier: Apache-2.0
// convgpu_demo IMAGE FOLDER: what convolution does to a picture. Prints the hand-calculated examples and
// a table, and writes the pictures, one sheet of them all and a page that shows them into FOLDER.

#include <algorithm>
#include <array>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "filtering.hpp"
#include "formats.hpp"

namespace {

using namespace convgpu;
using namespace convgpu::tools;
using std::string;

struct picture {
  string name;
  string caption;
  array image;  // u8, grey or RGB
};

// --- the examples one can follow by hand ------------------------------------------------------------------

void print_examples() {
  const auto line = [](const auto& values) {
    string text;
    for (const auto v : values)
      text += (text.empty() ? "" : " ") + std::to_string(static_cast<int>(v));
    return text;
  };
  const std::vector<float> ones{1, 1, 1, 1};
  const std::vector<float> twos{2, 2, 2, 2};
  const std::vector<float> full = convolve(ones, twos);
  std::cout << "[1 1 1 1] * [2 2 2 2], full: " << line(full)
            << "\n  overlap at t = 0, 1, 2: " << line(std::span(full).subspan(3, 3)) << '\n';

  const std::vector<float> f{0, 3, 6, 3, 3, 6, 3, 6, 6, 3, 6, 3, 3, 6, 3, 0};
  const std::vector<float> g{0, 3, 0, 0, 1, 2, 4, 0, 0};
  std::cout << "[0 3 6 3; 3 6 3 6; 6 3 6 3; 3 6 3 0] * [0 3 0; 0 1 2; 4 0 0], valid: "
            << line(convolve(f, g, {.in = {4, 4}, .filter = {3, 3}, .mode = mode::valid})) << '\n';

  std::vector<float> box(36, 0.0f);
  for (std::size_t i = 0; i < 36; ++i)
    if (i / 6 >= 1 && i / 6 <= 4 && i % 6 >= 1 && i % 6 <= 4) box[i] = 1;
  const std::vector<float> half{0, 0, 0, 0, 0.5f, 0, 0, 0, 0};
  const auto halved = convolve(box, half, {.in = {6, 6}, .filter = {3, 3}, .mode = mode::same});
  const bool right = std::ranges::equal(halved, box, [](float y, float x) { return y == x / 2; });
  std::cout << "a 4x4 box of ones in a 6x6 field * 0.5 at the centre of 3x3, same: "
            << (right ? "the box, halved" : "NOT the box, halved") << "\n\n";
}

// --- pictures out of results --------------------------------------------------------------------------------

/// u8, without alpha, each value through `tone`.
array shown(const array& result, double white, const std::function<double(double)>& tone) {
  const array values = convert(result, dtype::f64);
  header h = result;
  h.type = dtype::f64;
  h.planes -= h.alpha ? 1 : 0;
  h.planes = h.planes == 3 ? 3 : 1;
  h.alpha = false;
  h.white = 0;
  array toned(h);
  std::ranges::transform(values.values<double>().first(toned.values<double>().size()),
                         toned.values<double>().begin(),
                         [&](double v) { return tone(v / white * 255.0); });
  return convert(toned, dtype::u8);
}

/// The picture reduced until it is at most `side` wide and high: the mean of squares, by a box filter of
/// stride its own width.
array reduced(const array& image, std::int64_t side) {
  const std::int64_t n = (std::max(image.rows, image.cols) - 1) / side + 1;
  if (n == 1) return convert(image, dtype::u8);
  const std::vector<float> box(static_cast<std::size_t>(n * n), 1.0f / static_cast<float>(n * n));
  const extent size{image.rows, image.cols};
  const plan shrink({.in = size,
                     .filter = {n, n},
                     .planes = image.planes,
                     .types = {dtype::u8, dtype::f32, dtype::u8},
                     .mode = mode::valid,
                     .stride = {n, n}},
                    box);
  header h = image;
  h.rows = shrink.output_extent().rows;
  h.cols = shrink.output_extent().cols;
  array small(h);
  shrink.run(view<const std::uint8_t>(image.values<std::uint8_t>().data(), size, image.planes,
                                      dense(size)),
             small.values<std::uint8_t>());
  return small;
}

/// Five columns of seven dots a letter, the top one in the lowest bit: as much of an alphabet as the
/// names below need.
constexpr std::pair<char, std::array<std::uint8_t, 5>> letters[] = {
    {'a', {0x20, 0x54, 0x54, 0x54, 0x78}}, {'b', {0x7f, 0x48, 0x44, 0x44, 0x38}},
    {'d', {0x38, 0x44, 0x44, 0x48, 0x7f}}, {'e', {0x38, 0x54, 0x54, 0x54, 0x18}},
    {'f', {0x08, 0x7e, 0x09, 0x01, 0x02}}, {'g', {0x0c, 0x52, 0x52, 0x52, 0x3e}},
    {'h', {0x7f, 0x08, 0x04, 0x04, 0x78}}, {'i', {0x00, 0x44, 0x7d, 0x40, 0x00}},
    {'l', {0x00, 0x41, 0x7f, 0x40, 0x00}}, {'m', {0x7c, 0x04, 0x18, 0x04, 0x78}},
    {'n', {0x7c, 0x08, 0x04, 0x04, 0x78}}, {'o', {0x38, 0x44, 0x44, 0x44, 0x38}},
    {'p', {0x7c, 0x14, 0x14, 0x14, 0x08}}, {'r', {0x7c, 0x08, 0x04, 0x04, 0x08}},
    {'s', {0x48, 0x54, 0x54, 0x54, 0x20}}, {'t', {0x04, 0x3f, 0x44, 0x40, 0x20}},
    {'u', {0x3c, 0x40, 0x40, 0x20, 0x7c}}, {'x', {0x44, 0x28, 0x10, 0x28, 0x44}},
    {'y', {0x0c, 0x50, 0x50, 0x50, 0x3c}},
};

/// Calls dot(row, col) for each dot of the text, two wide and high, from its top left corner on.
void draw_text(const string& text, const std::function<void(std::int64_t, std::int64_t)>& dot) {
  std::int64_t pen = 0;
  for (const char letter : text) {
    const auto found =
        std::ranges::find(letters, letter, [](const auto& entry) { return entry.first; });
    const std::int64_t drop = letter == 'g' || letter == 'p' || letter == 'y' ? 4 : 0;
    if (found != std::end(letters))
      for (std::int64_t c = 0; c < 10; ++c)
        for (std::int64_t r = 0; r < 14; ++r)
          if ((found->second[static_cast<std::size_t>(c / 2)] >> (r / 2) & 1) != 0)
            dot(r + drop, pen + c);
    pen += 12;
  }
}

/// All pictures in rows of three on a white sheet, their names beneath.
array make_sheet(const std::vector<picture>& pictures) {
  constexpr std::int64_t side = 300;
  constexpr std::int64_t margin = 12;
  constexpr std::int64_t text = 32;  // what a name takes beneath
  constexpr std::int64_t across = 3;
  std::vector<array> small;
  std::int64_t high = 0;
  std::int64_t wide = 0;
  for (const picture& p : pictures) {
    small.push_back(reduced(p.image, side));
    high = std::max(high, small.back().rows);
    wide = std::max(wide, small.back().cols);
  }
  const std::int64_t down = (static_cast<std::int64_t>(pictures.size()) - 1) / across + 1;
  array sheet(header{.type = dtype::u8,
                     .kind = content::image,
                     .rows = down * (high + text) + margin,
                     .cols = across * (wide + margin) + margin,
                     .planes = 3});
  const auto dots = sheet.values<std::uint8_t>();
  std::ranges::fill(dots, std::uint8_t{255});
  const auto dot = [&](std::int64_t plane, std::int64_t row, std::int64_t col) -> std::uint8_t& {
    return dots[static_cast<std::size_t>((plane * sheet.rows + row) * sheet.cols + col)];
  };
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const array& image = small[i];
    const auto from = image.values<std::uint8_t>();
    const auto place = static_cast<std::int64_t>(i);
    const std::int64_t top = place / across * (high + text) + margin;
    const std::int64_t left = place % across * (wide + margin) + margin;
    for (std::int64_t plane = 0; plane < 3; ++plane)
      for (std::int64_t r = 0; r < image.rows; ++r)
        for (std::int64_t c = 0; c < image.cols; ++c)
          dot(plane, top + r, left + c) = from[static_cast<std::size_t>(
              (std::min(plane, image.planes - 1) * image.rows + r) * image.cols + c)];
    draw_text(pictures[i].name, [&](std::int64_t r, std::int64_t c) {
      for (std::int64_t plane = 0; plane < 3; ++plane) dot(plane, top + high + 4 + r, left + c) = 0;
    });
  }
  return sheet;
}

string file_name(const picture& p) {
  string name = p.name + ".png";
  std::ranges::replace(name, ' ', '-');
  return name;
}

void write_page(const std::filesystem::path& path, const string& title,
                const std::vector<picture>& pictures) {
  std::ofstream page(path);
  page << "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>convgpu: " << title
       << "</title>\n<style>body{font:15px/1.4 sans-serif;margin:2em;max-width:1100px}"
          "div{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:16px}"
          "figure{margin:0}img{width:100%}code{white-space:pre-wrap}</style>\n<h1>"
       << title << "</h1>\n<div>\n";
  for (const picture& p : pictures)
    page << "<figure><a href=\"" << file_name(p) << "\"><img src=\"" << file_name(p) << "\" alt=\""
         << p.name << "\"></a><figcaption><b>" << p.name << "</b> <code>" << p.caption
         << "</code></figcaption></figure>\n";
  page << "</div></html>\n";
  page.close();
  if (!page) throw write_failure(path.string() + ": cannot be written");
}

// --- the demo -------------------------------------------------------------------------------------------------

int run_demo(const string& source, const std::filesystem::path& folder) {
  print_examples();

  const array image = read(source);
  if (image.kind != content::image)
    throw bad_file(source + ": not a picture; allowed: an image file, chart:SIZE");
  const double white = image.white > 0 ? image.white : image.type == dtype::u16 ? 65535.0 : 255.0;
  std::printf("%s: %lld x %lld, %lld planes of %s\n\n", source.c_str(),
              static_cast<long long>(image.rows), static_cast<long long>(image.cols),
              static_cast<long long>(image.planes), string(to_string(image.type)).c_str());
  std::printf("%-10s %-14s %-6s %-14s %10s %10s %14s\n", "name", "filter", "device", "algorithm",
              "time", "Mpixel/s", "off reference");

  const auto keep = [](double v) { return v; };
  const auto slope = [](double v) { return 128.0 + v / 2; };
  struct effect {
    string name;
    string filter;
    bool is_signed;  // a slope: dark one way, bright the other
  };
  const effect effects[] = {
      {"blur", "gaussian:2", false},     {"sharpen", "sharpen", false},
      {"edges x", "sobel:x", true},      {"edges y", "sobel:y", true},
      {"emboss", "emboss", false},       {"shift", "shift:40,20", false},
      {"motion", "motion:21,30", false},
  };
  std::vector<picture> pictures;
  pictures.push_back({"original", source, shown(image, white, keep)});
  std::vector<array> slopes;
  for (const effect& e : effects) {
    wishes w;
    if (e.is_signed) w.out_type = dtype::f32;
    const prepared p = prepare(image, read_filter(e.filter), w);
    const outcome done = run(p, {}, 9);
    const outcome reference = run(p, {.device = device::cpu(), .algorithm = "cpu/reference"});
    const double pixels = static_cast<double>(done.result.rows * done.result.cols);
    std::printf("%-10s %-14s %-6s %-14s %7.3f ms %10.1f %14g\n", e.name.c_str(), e.filter.c_str(),
                done.why.device.c_str(), done.why.algorithm.c_str(), done.seconds * 1e3,
                pixels / done.seconds / 1e6, largest_difference(done.result, reference.result));
    const array result = finish(p, convert(done.result, done.result.type), {});
    pictures.push_back({e.name, e.filter, shown(result, white, e.is_signed ? slope : keep)});
    if (e.is_signed) slopes.push_back(convert(result, dtype::f64));
  }

  // √(x² + y²): how steep it is, whichever way.
  array magnitude = convert(slopes[0], dtype::f64);
  std::ranges::transform(slopes[0].values<double>(), slopes[1].values<double>(),
                         magnitude.values<double>().begin(),
                         [](double x, double y) { return std::hypot(x, y); });
  pictures.insert(pictures.begin() + 5, {"edges", "magnitude of sobel:x and sobel:y",
                                         shown(magnitude, white, [](double v) { return v / 2; })});

  std::filesystem::create_directories(folder);
  for (const picture& p : pictures) write((folder / file_name(p)).string(), p.image);
  write((folder / "sheet.png").string(), make_sheet(pictures));
  write_page(folder / "index.html", source, pictures);
  std::cout << "\nPictures: " << (folder / "index.html").string() << " and "
            << (folder / "sheet.png").string() << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: convgpu_demo IMAGE FOLDER\n";
    return 2;
  }
  try {
    return run_demo(argv[1], argv[2]);
  } catch (const bad_file& e) {
    std::cerr << "convgpu_demo: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "convgpu_demo: " << e.what() << '\n';
    return 1;
  }
}
