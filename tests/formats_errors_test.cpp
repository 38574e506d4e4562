// SPDX-License-Identifier: Apache-2.0
// Broken files and impossible outputs: each gives one clear error, and no half-written file.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <thread>

#include "formats.hpp"
#include "formats_fixture.hpp"

namespace convgpu::tools {
namespace {

TEST_F(formats, broken_files_are_told_of) {
  const string pixels(12, '\1');
  const auto shaped = [](const string& shape, const string& type = "<f8") {
    return npy("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + "}", "");
  };
  struct broken {
    string name, content, message;
  };
  const broken table[] = {
      {"empty.npy", "", "empty"},
      {"not.npy", "1 2 3", "does not begin as a .npy"},
      {"not.png", "\x89PNG\r\n\x1a\r", "does not begin as a .png"},
      {"not.wav", "RIFF\1\0\0\0AVI "s, "does not begin as a .wav"},
      {"what", "\1\2\3", "no known format"},
      {"version.npy", npy("{}", "", 4), "version 4"},
      {"huge.npy", shaped("(1099511627776,)"), "needs 8796093022208 bytes, the file has 0"},
      {"product.npy", shaped("(4294967296, 4294967296)"), "63 bits"},
      {"digits.npy", shaped("(99999999999999999999,)"), "2^63 - 1"},
      {"negative.npy", shaped("(-1, 2)"), "sizes from 0"},
      {"flat.npy", shaped("()"), "shape (); allowed: one to four"},
      {"deep.npy", shaped("(2, 3, 4, 1, 1)"), "shape (2, 3, 4, 1, 1)"},
      {"planes.npy", shaped("(2, 3, 4, 5)"), "needs 960 bytes, the file has 0"},
      {"batch.npy", shaped("(65536, 65536, 65536, 65536)"), "65536 times, is not possible"},
      {"number.npy", shaped("(5)"), "must be a tuple"},
      {"type.npy", shaped("(1,)", "<f16"), "'<f16' is not accepted"},
      {"order.npy", shaped("(1,)", "|f8"), "'|f8' is not accepted"},
      {"name.npy", shaped("(1,)", ""), "'' is not accepted"},
      {"record.npy", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", ""),
       "structured"},
      {"twice.npy", npy("{'shape': (1,), 'shape': (1,)}", ""), "twice"},
      {"less.npy", npy("{'descr': '<f8', 'shape': (1,)}", ""), "missing"},
      {"more.npy", npy("{'x': 1}", ""), "unknown key 'x'"},
      {"open.npy", npy("{'descr': '<f8", ""), "does not end"},
      {"after.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} 1", ""),
       "follows"},
      {"unsigned.npy", npy("{'descr':'<u8','fortran_order':False,'shape':(1,)}", string(8, '\xff')),
       "18446744073709551615 does not fit"},
      {"huge.pgm", "P5 1000000 1000000 255\n" + pixels, "cut off"},
      {"huge.ppm", "P3 1000000 1000000 255\n1 2 3", "cut off"},
      {"more.pgm", "P5 2 1 3\n\4\4", "a pixel of 4; allowed: 0 to its maximum, 3"},
      {"white.pgm", "P5 2 1 65536\n\1\1", "'65536' for its maximum; allowed: 1 to 65535"},
      {"width.pgm", "P5 0 1 255\n\1\1", "for its width"},
      {"bitmap.pnm", "P4 8 1\n\1", "bitmaps"},
      {"ragged.txt", "1 2 3\n4 5 6\n7 8\n", "line 3 has 2 values, the first one has 3"},
      {"word.txt", "1 2\n3 four\n", "line 2: 'four' is not a number"},
      {"half.txt", "1+2", "'1+2' is not a number"},
      {"commas.txt", "1,,2", "not a number"},
      {"planes.txt", "1 2\n3 4\n\n5 6\n", "ends a block of 1 rows"},
      {"comment.txt", "# nothing\n", "no numbers"},
      {"binary.txt", "1 2\0"s, "line 1"},
  };
  for (const broken& b : table) {
    const string message = read_error(store(b.name, b.content));
    EXPECT_EQ(message.find(path(b.name) + ": "), 0u) << message;
    EXPECT_NE(message.find(b.message), string::npos) << message;
  }
  EXPECT_NE(read_error(path("nowhere.png")).find("No such file"), string::npos);
  EXPECT_NE(read_error(path("")).find("is a folder"), string::npos);
  EXPECT_NE(read_error("/dev/zero").find("is a device"), string::npos);
  EXPECT_NE(read_error("").find("''"), string::npos);
}

/// Small files of every binary format.
std::vector<string> samples() {
  return {"a.npy", "a.png", "b.png", "a.jpg", "a.ppm", "b.pgm", "a.wav", "b.wav", "a.flac"};
}

array sample(const string& name) {
  if (name == "a.npy") return make({.type = dtype::f32, .rows = 2, .cols = 3});
  if (name.ends_with(".wav")) return make_sound(name[0] == 'a' ? dtype::i16 : dtype::f64, 2);
  if (name == "a.flac") return make_sound(dtype::i16, 1);
  return make_image(name == "b.pgm" ? dtype::u16 : dtype::u8, name == "b.pgm"   ? 1
                                                              : name == "b.png" ? 4
                                                                                : 3);
}

TEST_F(formats, files_cut_anywhere_are_told_of) {
  for (const string& name : samples()) {
    SCOPED_TRACE(name);
    write(path(name), sample(name));
    const string whole = load(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(std::ignore = read(store(name, whole.substr(0, size))), bad_file) << size;
    }
  }
}

/// Not every damage can be seen, but none may do harm: this is for the sanitizers.
TEST_F(formats, damaged_files_do_no_harm) {
  for (const string& name : samples()) {
    SCOPED_TRACE(name);
    write(path(name), sample(name));
    const string whole = load(name);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        try {
          std::ignore = read(store(name, damaged));
        } catch (const bad_file&) {
        }
      }
    }
  }
}

TEST_F(formats, outputs_that_cannot_be_are_refused_beforehand) {
  const header real{.type = dtype::f32, .rows = 4, .cols = 4};
  const header complex{.type = dtype::cf64, .rows = 4, .cols = 4};
  const header stereo{.type = dtype::i32, .dimensions = 1, .cols = 4, .planes = 2};
  const header rgba{.type = dtype::u8, .rows = 4, .cols = 4, .planes = 4, .alpha = true};
  struct refused {
    string name;
    header h;
    string message;
  };
  const refused table[] = {
      {"a.png", real, "PNG does not hold f32; allowed: u8, u16; use --out-type u8 or write .npy"},
      {"a.png", complex, "PNG does not hold cf64; allowed: u8, u16; write .npy"},
      {"a.JPG", real, "JPEG does not hold f32"},
      {"a.jpeg", rgba, "not 4 with alpha; write .png"},
      {"a.ppm", rgba, "PPM holds 3 planes, not 4"},
      {"a.wav", real, "WAV holds one signal, not 4 rows"},
      {"a.wav", complex, "WAV does not hold cf64"},
      {"a.flac", stereo, "FLAC does not hold i32; allowed: i16; write .wav or .npy"},
      {"a.png",
       {.type = dtype::u8, .dimensions = 4, .rows = 4, .cols = 5, .batch = 2},
       "PNG does not hold 2 x 1 x 4 x 5, four dimensions"},
      {"a.png",
       {.type = dtype::u8, .rows = 4, .cols = 4, .planes = 2},
       "alpha, which here it is not"},
      {"a.npy", {.type = dtype::bf16, .cols = 1}, "use --out-type f32"},
      {"a.gif", real, "no known extension; allowed: .npy"},
      {"a", real, "no known extension"},
      {"", real, "is a folder"},
      {"nowhere/a.npy", real, "nowhere is not there"},
  };
  for (const refused& r : table) {
    const string message = message_of<bad_file>([&] { check_writable_format(path(r.name), r.h); });
    EXPECT_EQ(message.find(path(r.name) + ": "), 0u) << message;
    EXPECT_NE(message.find(r.message), string::npos) << message;
    EXPECT_THROW(write(path(r.name), make(r.h)), bad_file);
  }
  EXPECT_EQ(entries(), 0);
  EXPECT_NO_THROW(check_writable_format(path("a.txt"), complex));
  EXPECT_NO_THROW(check_writable_format("-", complex));
}

TEST_F(formats, devices_and_pipes_are_written_to_directly) {
  const array a = make_image(dtype::u8, 1);
  write("/dev/null", a);
  EXPECT_NE(message_of<write_failure>([&] { write("/dev/full", a); }).find("No space"),
            string::npos);
  for (const char* name : {"a.npy", "a.png", "a.txt"}) {
    fs::create_symlink("/dev/full", path(name));
    EXPECT_THROW(write(path(name), a), write_failure);
    EXPECT_TRUE(fs::is_symlink(path(name)));
  }
  EXPECT_EQ(entries(), 3);

  ASSERT_EQ(::mkfifo(path("pipe.npy").c_str(), 0600), 0);
  std::thread writer([&] { write(path("pipe.npy"), read("chart:300")); });
  const array through_pipe = read(path("pipe.npy"));
  writer.join();
  EXPECT_EQ(values<std::uint8_t>(through_pipe), values<std::uint8_t>(read("chart:300")));
}

TEST_F(formats, read_only_folder) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const string folder = path("folder");
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THROW(write(folder + "/a.npy", read("[1]")), write_failure);
  EXPECT_TRUE(fs::is_empty(folder));
  fs::permissions(store("b.npy", "kept"), fs::perms::owner_read);
  EXPECT_THROW(write(path("b.npy"), read("[1]")), write_failure);
  EXPECT_EQ(load("b.npy"), "kept");
}

TEST_F(formats, full_disk_keeps_what_was_there) {
  const array a = read("chart:100");
  for (const char* name : {"a.npy", "a.png", "a.pgm", "a.jpg", "a.txt"}) {
    std::ignore = store(name, "kept");
  }
  // A limit on the size of files stands in for the disk, for root as well.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{.rlim_cur = 100, .rlim_max = before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (const char* name : {"a.npy", "a.png", "a.pgm", "a.jpg", "a.txt", "new.npy"}) {
    EXPECT_THROW(write(path(name), a), write_failure) << name;
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(entries(), 5);
  for (const char* name : {"a.npy", "a.png", "a.pgm", "a.jpg", "a.txt"})
    EXPECT_EQ(load(name), "kept");
}

TEST_F(formats, existing_files_are_replaced_in_place) {
  fs::permissions(store("a.txt", "old"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("a.txt", path("link.txt"));
  write(path("link.txt"), read("[1,2]"));
  EXPECT_TRUE(fs::is_symlink(path("link.txt")));
  EXPECT_EQ(load("a.txt"), "1 2\n");
  EXPECT_EQ(fs::status(path("a.txt")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(entries(), 2);
}

}  // namespace
}  // namespace convgpu::tools
