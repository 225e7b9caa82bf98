// SPDX-License-Identifier: BSD-2-Clause-Patent
// How long igvmtool takes for a 4 MiB file: whole programs, started and ended, with reading and
// writing their files. Status 1 where the fastest run of one takes longer than the budget of 20 ms.
//
//     cmake --preset bench && cmake --build --preset bench --target igvmtool igvm_speed
//     build/bench/tests/bench/igvm_speed
//
// Writing includes fsync(2), so that where the file goes decides: the directory is TMPDIR, or /tmp.
#include "igvm/tool/file_io.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

using namespace vestibule;
using namespace vestibule::igvm;

namespace {
constexpr u64 megabyte  = u64{1} << 20;
constexpr double budget = 20;

struct Times {
    double fastest;
    double median;
};

template <class Body>
Times times_of(Body body) {
    std::vector<double> times(41);
    for (double& time : times) {
        const auto start = std::chrono::steady_clock::now();
        body();
        time = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                   .count();
    }
    std::ranges::sort(times);
    return {.fastest = times.front(), .median = times[times.size() / 2]};
}

void run(std::vector<std::string> arguments) {
    std::vector<char*> words;
    words.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
        words.push_back(argument.data());
    }
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    int status  = 0;
    if (posix_spawn(&child, words[0], &actions, nullptr, words.data(), environ) != 0
        || waitpid(child, &status, 0) != child || status != 0) {
        fmt::print(stderr, "igvm_speed: {} failed\n", words[0]);
        std::exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    }
    posix_spawn_file_actions_destroy(&actions);
}

/// Distinct pages all over: nothing to store once, nothing to leave out.
std::vector<u8> noise(u64 size) {
    std::mt19937_64 random(1);
    std::vector<u8> bytes(size);
    for (u8& byte : bytes) {
        byte = static_cast<u8>(random());
    }
    return bytes;
}

int measure() {
    const auto directory   = std::filesystem::temp_directory_path();
    const std::string file = directory / fmt::format("igvm_speed.{}.igvm", getpid());
    int status             = 0;
    const auto report      = [&](std::string_view what, const Times& times) {
        fmt::print("{:<40} {:6.1f} ms of {}, median {:.1f}\n", what, times.fastest, budget,
                        times.median);
        status = times.fastest > budget ? 1 : status;
    };
    const std::string payload = directory / fmt::format("igvm_speed.{}.bin", getpid());
    if (!write_file(payload, noise(4 * megabyte))) {
        throw std::runtime_error(payload + ": cannot be written");
    }
    report("igvmtool build --payload, 4 MiB", times_of([&] {
               run({IGVMTOOL, "build", "--out", file, "--payload", payload, "--payload-address",
                    "0x1000000"});
           }));
    std::filesystem::remove(payload);
    report("igvmtool show, 4 MiB", times_of([&] { run({IGVMTOOL, "show", file}); }));
    report("igvmtool show --json, 4 MiB",
           times_of([&] { run({IGVMTOOL, "show", "--json", file}); }));
    report("igvmtool check, 4 MiB",
           times_of([&] { run({IGVMTOOL, "check", "--vmm", "qemu", file}); }));
    report("igvmtool build of the built-in image",
           times_of([&] { run({IGVMTOOL, "build", "--out", file}); }));
    std::filesystem::remove(file);
    return status;
}
} // namespace

int main() {
    try {
        return measure();
    } catch (const std::exception& error) {
        fmt::print(stderr, "igvm_speed: {}\n", error.what());
        return 1;
    }
}
