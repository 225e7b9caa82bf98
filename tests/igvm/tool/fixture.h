// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool run as a program, in a directory of its own.
#pragma once

#include "tests/igvm/fixture.h"
#include "tests/json/expect_valid.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace vestibule::igvm::test {

struct Outcome {
    int status;
    std::string out;
    std::string errors;
};

class IgvmTool : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "igvmtool.XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory_ = name;
    }

    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

    void write(const std::string& name, const Bytes& bytes) const {
        std::ofstream file(path(name), std::ios::binary);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        file.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    [[nodiscard]] Outcome run(const std::string& arguments) const {
        return shell(IGVMTOOL " " + arguments);
    }

    /// A line as users type it, in the test's directory.
    [[nodiscard]] Outcome shell(const std::string& line) const {
        const std::string whole =
            "cd " + path("") + " && { " + line + "; } >" + path("out") + " 2>" + path("errors");
        // NOLINTNEXTLINE(bugprone-command-processor, cert-env33-c): a shell is what users have
        const int status = std::system(whole.c_str());
        const Outcome outcome{
            .status = WEXITSTATUS(status), .out = read("out"), .errors = read("errors")};
        // Whatever a test looks at: every object that comes out is as its schema has it.
        if (line.find("--json") != std::string::npos && outcome.out.starts_with("{")) {
            json::expect_valid(outcome.out);
        }
        return outcome;
    }

    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
            const std::string name = entry.path().filename();
            if (name != "out" && name != "errors") {
                names.push_back(name);
            }
        }
        return names;
    }

  private:
    std::filesystem::path directory_;
};

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace vestibule::igvm::test
