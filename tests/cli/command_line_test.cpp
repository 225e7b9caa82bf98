// SPDX-License-Identifier: BSD-2-Clause-Patent
// Files of a command line, and the words for what is wrong with one, by themselves.
#include "cli/files.h"
#include "cli/numbers.h"
#include "cli/wrong_use.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace vestibule::cli::test {

namespace {
namespace fs = std::filesystem;
using Role   = FileUse::Role;

class Files : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "cli.XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory_ = name;
        std::ofstream(path("there")) << "x";
        std::ofstream(path("other")) << "x";
        fs::create_directory(path("keys"));
        std::ofstream(path("keys/ark.key")) << "x";
        fs::create_symlink("there", path("link"));
        fs::create_symlink("link", path("link-to-link"));
        fs::create_symlink("nowhere", path("dangling"));
        fs::create_hard_link(path("there"), path("hard"));
        fs::create_symlink("keys", path("keys-too"));
    }

    void TearDown() override { fs::remove_all(directory_); }

    [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

    /// Whether two files may be used so.
    bool may(const std::string& one, Role first, const std::string& other, Role second) {
        const FileUse uses[] = {
            {.option = "--one",   .path = one,   .role = first },
            {.option = "--other", .path = other, .role = second}
        };
        const auto wrong = wrong_files(uses);
        words            = wrong.value_or("");
        return !wrong;
    }

    std::string words;

  private:
    fs::path directory_;
};
} // namespace

TEST_F(Files, AnOutputIsNoInput) {
    const std::string there = path("there");
    for (const std::string& name :
         {"there", "./there", "keys/../there", "link", "link-to-link", "hard"}) {
        EXPECT_FALSE(may(there, Role::read, path(name), Role::written)) << name;
        EXPECT_EQ(words, "--other " + path(name) + ": is the same file as --one " + there
                             + ", which is read: expected another one");
        EXPECT_FALSE(may(path(name), Role::written_or_stdout, there, Role::read)) << name;
        EXPECT_FALSE(may(path(name), Role::written, there, Role::written)) << name;
        EXPECT_TRUE(may(path(name), Role::read, there, Role::read)) << name;
    }
    EXPECT_TRUE(may(there, Role::read, path("other"), Role::written));
    EXPECT_TRUE(may(there, Role::read, path("new"), Role::written));
}

TEST_F(Files, TwoOutputsAreNotOneFile) {
    EXPECT_FALSE(may(path("new"), Role::written, path("./new"), Role::written));
    EXPECT_FALSE(may(path("nowhere"), Role::written, path("dangling"), Role::written));
    EXPECT_FALSE(may(path("keys/new"), Role::written, path("keys-too/new"), Role::written));
    EXPECT_NE(words.find("which is written too"), std::string::npos) << words;
    EXPECT_FALSE(may("no-such-file", Role::written, "./no-such-file", Role::written));
    EXPECT_TRUE(may(path("new"), Role::written, path("newer"), Role::written));
    EXPECT_TRUE(may("/dev/null", Role::written, "/dev/null", Role::written)) << "a device";
}

TEST_F(Files, KeysOfADirectory) {
    EXPECT_FALSE(may(path("keys"), Role::directory, path("keys/ark.key"), Role::written));
    EXPECT_FALSE(may(path("keys"), Role::directory, path("keys-too/ark.key"), Role::written));
    EXPECT_TRUE(may(path("keys"), Role::directory, path("keys/report.bin"), Role::written));
    EXPECT_TRUE(may(path("keys"), Role::directory, path("ark.key"), Role::written));
}

TEST_F(Files, StandardInputAndOutput) {
    EXPECT_FALSE(may("-", Role::written, path("there"), Role::read));
    EXPECT_EQ(words, "--one: found -, expected the name of a file");
    EXPECT_TRUE(may("-", Role::written_or_stdout, path("there"), Role::read));
    EXPECT_TRUE(may("-", Role::written_or_stdout, "-", Role::read));
    EXPECT_FALSE(may("-", Role::read, "-", Role::read));
    EXPECT_EQ(words, "--other: found -, which --one reads already");
}

TEST_F(Files, InPlaceIsOnePair) {
    CLI::App app("x", "x");
    std::string file;
    std::string out;
    std::string key;
    app.add_option("file", file)->type_name(input_file);
    app.add_option("--out", out)->type_name(output_file);
    app.add_option("--key", key)->type_name(input_file);
    const auto is_taken = [&](const std::string& line) {
        app.clear();
        app.parse(line);
        try {
            check_files(app, {.input = "file", .output = "--out"});
            return true;
        } catch (const CLI::ValidationError&) {
            return false;
        }
    };
    const std::string there = path("there");
    EXPECT_TRUE(is_taken(there + " --out " + there));
    EXPECT_TRUE(is_taken(there + " --out " + path("link")));
    EXPECT_TRUE(is_taken(there + " --out " + path("other")));
    EXPECT_FALSE(is_taken(there + " --out " + path("other") + " --key " + path("other")));
    EXPECT_FALSE(is_taken(there + " --out " + there + " --key " + path("hard")));
}

TEST(Words, TheNearestIsSaid) {
    const std::vector<std::string> known = {"--output", "--out", "--platform", "--policy"};
    EXPECT_EQ(nearest("--ouput", known), "--output");
    EXPECT_EQ(nearest("--plattform", known), "--platform");
    EXPECT_EQ(nearest("--polcy", known), "--policy");
    EXPECT_EQ(nearest("--frobnicate", known), "");
    EXPECT_EQ(nearest("--x", {}), "");
}

TEST(Options, NumbersAreNotCutOff) {
    CLI::App app("x", "x");
    u16 port = 7;
    std::optional<u64> features;
    u64 memory = u64{256} << 20;
    add_number(app, "--port,-p", port, "", {.least = 1});
    add_number(app, "--features", features, "");
    add_size(app, "--memory", memory, "", {.least = 1024});
    const auto error_of = [&](const std::string& line) {
        try {
            app.clear();
            app.parse(line);
            return std::string();
        } catch (const CLI::ParseError& error) {
            return std::string(error.what());
        }
    };
    EXPECT_EQ(error_of("--port 65535 --features 0xffffffffffffffff --memory 2GiB"), "");
    EXPECT_EQ(port, 65535);
    EXPECT_EQ(features, ~u64{0});
    EXPECT_EQ(memory, u64{2} << 30);
    EXPECT_EQ(error_of("--port 65536"), "--port: found 65536, expected a number from 1 to 65535, "
                                        "decimal and with no leading zero or hexadecimal behind "
                                        "0x");
    EXPECT_NE(error_of("--features=-1").find("--features: found -1"), std::string::npos);
    EXPECT_NE(error_of("--memory 1000").find("a size from 1K to"), std::string::npos);
}

} // namespace vestibule::cli::test
