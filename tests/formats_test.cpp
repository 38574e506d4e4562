// SPDX-License-Identifier: Apache-2.0
// The file formats of the program: what is written is read again, and what others write is understood.
#include "formats.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "formats_fixture.hpp"

namespace convgpu::tools {
namespace {

constexpr dtype all_types[] = {dtype::u8,  dtype::i8,  dtype::u16,  dtype::i16,
                               dtype::i32, dtype::i64, dtype::f16,  dtype::bf16,
                               dtype::f32, dtype::f64, dtype::cf32, dtype::cf64};

TEST_F(formats, npy_round_trip) {
  for (const dtype type : all_types) {
    if (type == dtype::bf16) continue;
    SCOPED_TRACE(to_string(type));
    for (const header& h :
         {header{.type = type, .dimensions = 1, .cols = 9},
          {.type = type, .rows = 4, .cols = 3},
          {.type = type, .rows = 0, .cols = 3},
          {.type = type, .dimensions = 3, .rows = 4, .cols = 3, .planes = 5},
          {.type = type, .dimensions = 3, .rows = 4, .cols = 3},
          {.type = type, .dimensions = 4, .rows = 4, .cols = 3, .planes = 5, .batch = 2},
          {.type = type, .dimensions = 4, .rows = 4, .cols = 3}}) {
      array a = make(h);
      expect_same(round_trip(a, "a.npy"), a);
      if (h.dimensions < 3) continue;
      a.order = layout::channels_last;
      expect_same(with_channels_last(round_trip(a, "a.npy")), a);
    }
  }
}

TEST_F(formats, npy_has_planes_where_they_are_asked_for) {
  const auto shape = [&](header h, std::optional<layout> order) {
    h.order = order;
    const array a = make(h);
    EXPECT_EQ(round_trip(a, "a.npy").count(), a.count());
    return shape_text(a);
  };
  const header image = make_image(dtype::u8, 3), sound = make_sound(dtype::i16, 2);
  const header array_3d{.dimensions = 3, .rows = 4, .cols = 5};
  const header array_4d{.dimensions = 4, .rows = 4, .cols = 5, .planes = 3, .batch = 2};
  EXPECT_EQ(shape(image, {}), "5 x 7 x 3");
  EXPECT_EQ(shape(image, layout::channels_first), "3 x 5 x 7");
  EXPECT_EQ(shape(sound, {}), "50 x 2");
  EXPECT_EQ(shape(sound, layout::channels_first), "2 x 50");
  EXPECT_EQ(shape(array_3d, {}), "1 x 4 x 5");
  EXPECT_EQ(shape(array_3d, layout::channels_last), "4 x 5 x 1");
  EXPECT_EQ(shape(array_4d, {}), "2 x 3 x 4 x 5");
  EXPECT_EQ(shape(array_4d, layout::channels_last), "2 x 4 x 5 x 3");
}

TEST_F(formats, npy_is_written_as_numpy_does) {
  write(path("a.npy"), convert(read("[[1,2,3],[4,5,6]]"), dtype::i16));
  const string dictionary = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  EXPECT_EQ(load("a.npy"), "\x93NUMPY\1\0v\0"s + dictionary + string(117 - dictionary.size(), ' ') +
                               '\n' + "\1\0\2\0\3\0\4\0\5\0\6\0"s);
  write(path("b.npy"), make_image(dtype::u8, 3));
  EXPECT_NE(load("b.npy").find("(5, 7, 3)"), string::npos);
}

TEST_F(formats, npy_of_others) {
  const string bytes = "\0\1\0\2\0\3\0\4\0\5\0\6"s;
  const auto read_npy = [&](const string& content) { return read(store("a.npy", content)); };
  using i16s = std::vector<std::int16_t>;
  EXPECT_EQ(values<std::int16_t>(
                read_npy(npy("{'descr':'>i2','fortran_order':False,'shape':(2,3)}", bytes))),
            (i16s{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(values<std::int16_t>(read_npy(npy(
                "{\"shape\": (2, 3,), 'fortran_order': True, 'descr': \">i2\", } \n", bytes, 2))),
            (i16s{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(values<std::int16_t>(
                read_npy(npy("{'descr':'<i2','fortran_order':True,'shape':(6,)}", bytes, 3))),
            (i16s{256, 512, 768, 1024, 1280, 1536}));
  EXPECT_EQ(values<std::int16_t>(
                read_npy(npy("{'descr':'>i2','fortran_order':True,'shape':(1, 3, 1, 2)}", bytes))),
            (i16s{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(values<std::int64_t>(
                read_npy(npy("{'descr':'>u4','fortran_order':False,'shape':(1,)}", "\xff\0\0\1"s))),
            (integers{0xff000001}));
  EXPECT_EQ(values<std::int64_t>(read_npy(
                npy("{'descr':'<u8','fortran_order':False,'shape':(1,)}", "\1\0\0\0\0\0\0\x7f"s))),
            (integers{0x7f00000000000001}));
  EXPECT_EQ(values<std::uint8_t>(read_npy(
                npy("{'descr':'|b1','fortran_order':False,'shape':(2,)}", "\0\2 and more"s))),
            (std::vector<std::uint8_t>{0, 1}));
  EXPECT_EQ(values<std::complex<float>>(read_npy(npy(
                "{'descr':'>c8','fortran_order':False,'shape':(1,)}", "\x3f\x80\0\0\x40\0\0\0"s))),
            (std::vector<std::complex<float>>{{1, 2}}));
}

TEST_F(formats, image_round_trip) {
  for (const dtype type : {dtype::u8, dtype::u16}) {
    for (const std::int64_t planes : {1, 2, 3, 4}) {
      const array a = make_image(type, planes);
      expect_same(round_trip(a, "a.png"), a);
      if (!a.alpha) expect_same(round_trip(a, "a.pnm"), a);
      if (!a.alpha) expect_same(round_trip(a, planes == 1 ? "a.pgm" : "a.ppm"), a);
    }
  }
}

TEST_F(formats, jpeg_stays_close) {
  for (const char* chart : {"chart:64", "chart:64:rgb"}) {
    const array a = read(chart);
    const array b = round_trip(a, "a.jpg");
    ASSERT_EQ(a.count(), b.count());
    const auto x = values<std::uint8_t>(a);
    const auto y = values<std::uint8_t>(b);
    const double distance = std::transform_reduce(x.begin(), x.end(), y.begin(), 0.0, std::plus<>(),
                                                  [](int p, int q) { return std::abs(p - q); });
    EXPECT_LT(distance / static_cast<double>(x.size()), 4);
  }
}

TEST_F(formats, pnm_in_digits_and_with_another_white) {
  array a = read(store("a.pgm", "P2 # grey\n3 2#size\n7\n0 1 2\n# rest\n5 6 7"));
  EXPECT_EQ(values<std::uint8_t>(a), (std::vector<std::uint8_t>{0, 1, 2, 5, 6, 7}));
  EXPECT_EQ(a.white, 7);
  write(path("b.pgm"), a);
  EXPECT_EQ(load("b.pgm"), "P5\n3 2\n7\n\0\1\2\5\6\7"s);
  a.values<std::uint8_t>()[0] = 8;  // beyond its white: only the type's own can hold it
  write(path("b.pgm"), a);
  EXPECT_EQ(load("b.pgm"), "P5\n3 2\n255\n\10\1\2\5\6\7"s);
  const array rgb = read(store("c.ppm", "P3\n1 1\n256\n1 2 256\n"));
  EXPECT_EQ(values<std::uint16_t>(rgb), (std::vector<std::uint16_t>{1, 2, 256}));
}

TEST_F(formats, sound_round_trip) {
  for (const std::int64_t channels : {1, 2}) {
    for (const dtype type : {dtype::i16, dtype::i32, dtype::f32, dtype::f64}) {
      const array a = make_sound(type, channels);
      expect_same(round_trip(a, "a.wav"), a);
    }
    expect_same(round_trip(make_sound(dtype::i16, channels), "a.flac"),
                make_sound(dtype::i16, channels));
  }
  // Unsigned bytes have their zero at 128 and come back as 16 bits around 0.
  EXPECT_EQ(values<std::int16_t>(round_trip(convert(read("[0,128,255]"), dtype::u8), "a.wav")),
            (std::vector<std::int16_t>{-32768, 0, 32512}));
  write(path("b.wav"), make_sound(dtype::f32, 1));
  write(path("c.wav"), make_sound(dtype::f32, 1));
  EXPECT_EQ(load("b.wav"), load("c.wav"));
}

TEST_F(formats, text_round_trip) {
  for (const dtype type : all_types) {
    if (type == dtype::i64) continue;  // its extremes are not values of f64
    SCOPED_TRACE(to_string(type));
    for (const header& h : {header{.type = type, .dimensions = 1, .cols = 9, .planes = 2},
                            {.type = type, .rows = 4, .cols = 3}}) {
      const array a = make(h);
      expect_same(convert(round_trip(a, "a.txt"), type), a);
    }
  }
}

TEST_F(formats, text_is_short_and_exact) {
  const auto text = [&](const string& literal, dtype type) {
    write(path("a.txt"), convert(read(literal), type));
    return load("a.txt");
  };
  EXPECT_EQ(text("[[45,45],[45,45]]", dtype::f64), "45 45\n45 45\n");
  EXPECT_EQ(text("[100000,-0.5,0.1,1e20,1e-7,nan,inf,-inf,-0.0]", dtype::f64),
            "100000 -0.5 0.1 1e+20 1e-07 nan inf -inf -0\n");
  EXPECT_EQ(text("[0.1,16777216]", dtype::f32), "0.1 16777216\n");
  EXPECT_EQ(text("[65,200]", dtype::u8), "65 200\n");
  EXPECT_EQ(text("[65,-128]", dtype::i8), "65 -128\n");
  EXPECT_EQ(text("[1+2j,-1-2.5j,3,2j,+1-nanj]", dtype::cf64), "1+2j -1-2.5j 3+0j 0+2j 1+nanj\n");
  testing::internal::CaptureStdout();
  write("-", read("[[1,2],[3,4]]"));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "1 2\n3 4\n");
}

TEST_F(formats, text_of_others) {
  const array a = read(
      store("a.txt", "\n# a table\r\n1, 2,\t3,\r\n# of two rows\n+4 5e0 -6  # the second\n\n\n"));
  EXPECT_EQ(values<double>(a), (doubles{1, 2, 3, 4, 5, -6}));
  EXPECT_EQ(std::tie(a.rows, a.cols), std::tuple(2, 3));
  EXPECT_EQ(read(store("b.csv", "1,2\n3,4\n")).rows, 2);
  EXPECT_EQ(read(store("no_extension", "1 2 3")).dimensions, 1);
  EXPECT_EQ(read(store("column.txt", "1\n2\n3\n")).rows, 3);
}

/// Files that other programs made; in a folder that is not part of the project.
TEST_F(formats, files_from_elsewhere) {
  const char* folder = std::getenv("CONVGPU_DATA");
  if (folder == nullptr) GTEST_SKIP() << "CONVGPU_DATA names no folder";
  const array colour = read(folder + "/astronaut.png"s);
  EXPECT_EQ(std::tie(colour.type, colour.rows, colour.cols, colour.planes),
            std::tuple(dtype::u8, 512, 512, 3));
  expect_same(round_trip(colour, "a.png"), colour);
  EXPECT_EQ(read(folder + "/camera.png"s).planes, 1);
  const array voice = read(folder + "/voice.wav"s);
  EXPECT_EQ(std::tie(voice.type, voice.planes, voice.sample_rate),
            std::tuple(dtype::i16, 1, 48000));
  expect_same(round_trip(voice, "a.wav"), voice);
}

}  // namespace
}  // namespace convgpu::tools
