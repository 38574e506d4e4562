// SPDX-License-Identifier: Apache-2.0
// The file of measured rates: whatever is wrong with it, plans are made, and the reason is told.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <convgpu/calibration.hpp>
#include <convgpu/convgpu.hpp>
#include <convgpu/detail/backend.hpp>
#include <convgpu/error.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/calibration.hpp"
#include "src/json_text.hpp"

namespace convgpu::detail {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class calibration : public testing::Test {
 protected:
  calibration()
      : folder_(fs::temp_directory_path() / ("convgpu_calibration_" + std::to_string(::getpid()))) {
    fs::create_directory(folder_);
  }
  ~calibration() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string file() const { return (folder_ / "rates.json").string(); }

  static const backend& cpu() { return cpu_backend(); }
  static std::vector<double> built_in() { return cpu().table.built_in(0); }

  /// What would be written here, with all rates twice as high as those built in.
  static json good() {
    json all{{"format", 1},
             {"convgpu", version()},
             {"machine", cpu().table.machine()},
             {"date", "2026-11-21"}};
    for (std::size_t i = 0; i < cpu().table.names.size(); ++i)
      all["rates"][std::string(cpu().table.names[i])] = built_in()[i] * 2;
    return all;
  }
  void write(const std::string& text) const { std::ofstream(file()) << text; }

  /// Why it is ignored.
  [[nodiscard]] std::string objection() const {
    const rates_in_use found = rates_of(cpu(), 0, file());
    EXPECT_EQ(found.values, built_in());
    EXPECT_EQ(found.source, cpu().table.source(0));
    EXPECT_TRUE(found.ignored.starts_with("calibration: " + file() + " ")) << found.ignored;
    return found.ignored;
  }
  [[nodiscard]] std::string objection(const json& content) const {
    write(content.dump());
    return objection();
  }

  const fs::path folder_;
};

#define EXPECT_HAS(text, words) EXPECT_NE((text).find(words), std::string::npos) << (text)

TEST_F(calibration, is_taken) {
  write(good().dump());
  const rates_in_use found = rates_of(cpu(), 0, file());
  EXPECT_EQ(found.ignored, "");
  EXPECT_HAS(found.source, "2026-11-21");
  ASSERT_EQ(found.values.size(), built_in().size());
  for (std::size_t i = 0; i < found.values.size(); ++i)
    EXPECT_EQ(found.values[i], built_in()[i] * 2);
}

TEST_F(calibration, is_not_needed) {
  const rates_in_use found = rates_of(cpu(), 0, "");
  EXPECT_EQ(found.values, built_in());
  EXPECT_EQ(found.ignored, "");
}

TEST_F(calibration, of_garbage_is_ignored) {
  for (const std::string& text :
       {std::string(), std::string("garbage"), std::string("[]"), std::string("{}"),
        std::string("null"), std::string(1000, '\0'), std::string(200000, '['),
        std::string("{\"format\": \"1\"}"), std::string("\xff\xfe{}")}) {
    write(text);
    EXPECT_HAS(objection(), "is broken");
  }
  write(std::string(2 << 20, ' '));
  EXPECT_HAS(objection(), "is too large");
}

TEST_F(calibration, that_is_half_written_is_ignored) {
  const std::string whole = good().dump(1);
  for (std::size_t length = 0; length < whole.size(); length += 97) {
    write(whole.substr(0, length));
    EXPECT_HAS(objection(), "is broken");
  }
}

TEST_F(calibration, of_others_is_ignored) {
  json other = good();
  other["format"] = 2;
  EXPECT_HAS(objection(other), "of another format, 2");
  other = good();
  other["convgpu"] = "0.0.9";
  EXPECT_HAS(objection(other), "of another version, convgpu 0.0.9");
  other = good();
  other["machine"] = "GenuineIntel family 6 model 1, avx2";
  EXPECT_HAS(objection(other), "of another machine, GenuineIntel");
  other = good();
  other.erase("machine");
  EXPECT_HAS(objection(other), "of another machine");
}

TEST_F(calibration, with_rates_that_cannot_be_is_ignored) {
  const std::string name(cpu().table.names.front());
  for (const json& value : {json(-1e-9), json(2.0), json("fast"), json(nullptr), json(1e300)}) {
    json other = good();
    other["rates"][name] = value;
    EXPECT_HAS(objection(other), name);
  }
  json other = good();
  other["rates"].erase(name);
  EXPECT_HAS(objection(other), "is broken");
  other["rates"]["unheard_of"] = 1e-9;
  EXPECT_HAS(objection(other), name);
}

TEST_F(calibration, that_is_no_file_is_ignored) {
  EXPECT_HAS(objection(), "is no file that can be read");
  fs::create_directory(file());
  EXPECT_HAS(objection(), "is no file that can be read");
}

TEST_F(calibration, goes_where_no_file_can_be_and_says_so) {
  write("in the way");
  for (const std::string& name : {file() + "/rates.json", std::string("/proc/no/rates.json")}) {
    try {
      calibrate(name);
      ADD_FAILURE() << name;
    } catch (const error& e) {
      EXPECT_HAS(std::string(e.what()), "calibration: " + name + " cannot be written: ");
    }
  }
  EXPECT_THROW(calibrate(""), invalid_problem);
}

TEST_F(calibration, replaces_nothing_but_files_and_leaves_no_folders) {
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string too_long = (folder_ / "new" / "folder" / std::string(300, 'x')).string();
  for (const std::string& name : {pipe, folder_.string(), too_long})
    EXPECT_THROW(calibrate(name), error) << name;
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(calibration, that_fails_while_it_is_read_is_ignored) {
  const char* const name = "/proc/self/mem";
  if (!fs::is_regular_file(name)) GTEST_SKIP() << "no " << name;
  EXPECT_HAS(rates_of(cpu(), 0, name).ignored, "cannot be read");
}

TEST_F(calibration, is_measured_and_written_in_whole) {
  fs::create_directory(folder_ / "new");
  const std::string there = (folder_ / "new" / "folder" / "rates.json").string();
  const std::string link = (folder_ / "link").string();
  fs::create_directory(folder_ / "new" / "folder");
  std::ofstream(there) << "an old one";
  fs::create_symlink(there, link);
  convgpu::calibrate(link);
  EXPECT_TRUE(fs::is_symlink(link));
  const rates_in_use found = rates_of(cpu(), 0, there);
  EXPECT_EQ(found.ignored, "");
  EXPECT_NE(found.values, built_in());
  double most = 0;
  for (const double value : found.values) most = std::max(most, value);
  EXPECT_GT(most, 0);
  // Nothing but the file is left.
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "new" / "folder"))
    files += entry.path() == there ? 1 : 100;
  EXPECT_EQ(files, 1);
}

TEST_F(calibration, is_looked_for_where_the_environment_says) {
  const auto with = [](const char* named, const char* cache, const char* home) {
    const auto set = [](const char* name, const char* value) {
      if (value == nullptr) ::unsetenv(name);
      else ::setenv(name, value, 1);
    };
    set("CONVGPU_CALIBRATION", named);
    set("XDG_CACHE_HOME", cache);
    set("HOME", home);
    return calibration_file();
  };
  const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "/";
  EXPECT_EQ(with("none", "/cache", "/home/a"), "");
  EXPECT_EQ(with("", "/cache", "/home/a"), "");
  EXPECT_EQ(with("/some/file", "/cache", "/home/a"), "/some/file");
  EXPECT_EQ(with(nullptr, "/cache", "/home/a"), "/cache/convgpu/calibration.json");
  EXPECT_EQ(with(nullptr, "relative", "/home/a"), "/home/a/.cache/convgpu/calibration.json");
  EXPECT_EQ(with(nullptr, nullptr, "/home/a"), "/home/a/.cache/convgpu/calibration.json");
  EXPECT_EQ(with(nullptr, nullptr, nullptr), "");
  (void)with("none", nullptr, home.c_str());
}

// ---- the other JSON that there is

TEST(explain_json, is_the_description) {
  const std::vector<float> g{1, 2, 3, 2, 1};
  const plan p({.in = {90, 120}, .mode = mode::same}, g, g,
               {.device = device::cpu(), .policy = policy::measure});
  const description& d = p.describe();
  const json all = json::parse(p.explain_json());
  EXPECT_EQ(all["device"], "cpu");
  EXPECT_EQ(all["algorithm"], d.algorithm);
  EXPECT_EQ(all["parameters"], d.parameters);
  EXPECT_EQ(all["workspace_bytes"], d.workspace_bytes);
  EXPECT_EQ(all["exact_on_integers"], d.exact_on_integers);
  EXPECT_EQ(all["rates"], d.rates);
  EXPECT_EQ(all["notes"], json(d.notes));
  EXPECT_EQ(all["problem"]["in"], json({90, 120}));
  EXPECT_EQ(all["problem"]["types"], json({"f32", "f32", "f32"}));
  ASSERT_EQ(all["candidates"].size(), d.candidates.size());
  for (std::size_t i = 0; i < d.candidates.size(); ++i) {
    const candidate& c = d.candidates[i];
    const json& j = all["candidates"][i];
    EXPECT_EQ(j["algorithm"], c.algorithm);
    EXPECT_EQ(j["reason"], c.reason);
    EXPECT_EQ(j.value("predicted_seconds", -1.0), c.predicted_seconds.value_or(-1));
    EXPECT_EQ(j.value("measured_seconds", -1.0), c.measured_seconds.value_or(-1));
    EXPECT_EQ(j.value("error_bound", -1.0), c.error_bound.value_or(-1));
    EXPECT_EQ(j.contains("workspace_bytes"), c.workspace_bytes.has_value());
    if (c.bound_by) {
      EXPECT_EQ(j["bound_by"], to_string(*c.bound_by));
    }
  }
}

TEST(json_text, is_read_as_it_was) {
  for (const std::string& text :
       {std::string("plain"), std::string("\"quoted\" \\ and \n\t\x01\x1f", 17),
        std::string(1, '\0'), std::string("\u00e4\u20ac\U0001f600")})
    EXPECT_EQ(json::parse(json_text(text)), text);
  // No UTF-8: longer than need be, half a pair, beyond the last, cut off.
  for (const char* text : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82"}) {
    const auto read = json::parse(json_text("a" + std::string(text) + "b")).get<std::string>();
    EXPECT_EQ(read.front(), 'a');
    EXPECT_EQ(read.back(), 'b');
    EXPECT_EQ(read.find_first_not_of("?", 1), read.size() - 1) << read;
  }
}

}  // namespace
}  // namespace convgpu::detail
