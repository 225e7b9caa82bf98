// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sys/wait.h>
#include <utility>

namespace vestibule::sevsim::attack {

namespace {

namespace fs = std::filesystem;
using Clock  = std::chrono::steady_clock;

std::string content_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
}

void append_for_qemu(std::vector<std::string>& words, const std::vector<std::string>& more) {
    if (!more.empty()) {
        words.emplace_back("--");
        append(words, more);
    }
}

/// What `sevsim run` itself takes to start and to end, beside the guest's time.
constexpr std::chrono::seconds around_a_run{30};

std::string how(const PoolEnd& end) {
    return end.overdue               ? std::string{"it kept no time limit"}
           : WIFSIGNALED(end.status) ? fmt::format("killed by signal {}", WTERMSIG(end.status))
                                     : fmt::format("status {}", WEXITSTATUS(end.status));
}

} // namespace

std::vector<std::string> Runner::command(std::size_t guest, unsigned seconds) const {
    std::vector<std::string> words{options_.program, "run"};
    append(words, options_.guests[guest]);
    append(words, options_.options);
    append(words, {"--repeatable", "--timeout", fmt::format("{}", seconds)});
    return words;
}

void Runner::start(std::size_t guest, const Lies& plan, unsigned seconds, const Done& done) {
    const std::string name         = fmt::format("{}/{}", directory_, ++count_);
    std::vector<std::string> words = command(guest, seconds);
    append(words, {"--quiet", "--json", name + ".json", "--trace", name + ".trace"});
    if (!options_.from.empty()) {
        append(words, {"--snapshot", fmt::format("{}/guest-{}", directory_, guest)});
    }
    for (const std::string& lie : words_of(plan)) {
        append(words, {"--hostile", lie});
    }
    append_for_qemu(words, options_.behind);
    const auto begin = Clock::now();
    const auto ended = [name, begin, done](PoolEnd end) {
        std::expected<Seen, std::string> seen = std::unexpected(std::string{});
        const auto report                     = ended_of(content_of(name + ".json"));
        if (report) {
            seen = Seen{.ended = *report, .places = places_of(content_of(name + ".trace"))};
            seen->ended.output  = std::move(end.output);
            seen->ended.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
            seen->ended.places.merge(seen->places.seen);
            seen->places.entries =
                seen->ended.vmruns - std::min(seen->places.entries_before, seen->ended.vmruns);
        } else {
            seen = std::unexpected(fmt::format("sevsim run has left no report: {}", how(end)));
        }
        fs::remove(name + ".json");
        fs::remove(name + ".trace");
        done(std::move(seen));
    };
    const auto started =
        pool_.start(words, std::chrono::seconds{seconds} + around_a_run, plan.empty(), ended);
    if (!started) {
        done(std::unexpected(started.error()));
    }
}

namespace {

/// What a batch prints, taken apart into lines.
struct Batch {
    std::string rest;
    std::vector<char> seen; ///< by plan: its line has come
    Clock::time_point last = Clock::now();
};

} // namespace

void Runner::start_batch(std::size_t guest, const std::vector<Lies>& plans, unsigned seconds,
                         const Each& each) {
    const std::string file = fmt::format("{}/{}.plans", directory_, ++count_);
    {
        std::ofstream text{file, std::ios::binary};
        for (const Lies& plan : plans) {
            text << text_of(plan) << "---\n";
        }
    }
    std::vector<std::string> words = command(guest, seconds);
    append(words, {"--plans", file});
    append_for_qemu(words, options_.behind);
    const auto batch = std::make_shared<Batch>();
    batch->seen.resize(plans.size());
    const auto take = [batch, each](std::string_view bytes) {
        batch->rest += bytes;
        for (std::size_t end = 0; (end = batch->rest.find('\n')) != std::string::npos;) {
            auto planned = planned_of(std::string_view{batch->rest}.substr(0, end));
            batch->rest.erase(0, end + 1);
            if (!planned || planned->plan >= batch->seen.size()
                || std::exchange(batch->seen[planned->plan], 1) != 0) {
                continue;
            }
            const auto now         = Clock::now();
            planned->ended.seconds = std::chrono::duration<double>(now - batch->last).count();
            batch->last            = now;
            each(planned->plan, Seen{.ended = std::move(planned->ended), .places = {}});
        }
    };
    const auto done = [batch, each, file](const PoolEnd& end) {
        fs::remove(file);
        for (std::size_t n = 0; n < batch->seen.size(); ++n) {
            if (batch->seen[n] == 0) {
                each(n, std::unexpected(fmt::format("the batch has ended: {}", how(end))));
            }
        }
    };
    const auto limit   = std::chrono::seconds{seconds} * (plans.size() + 1) + around_a_run;
    const auto started = pool_.start(words, limit, false, done, take);
    if (!started) {
        for (std::size_t n = 0; n < plans.size(); ++n) {
            each(n, std::unexpected(started.error()));
        }
    }
}

std::expected<Seen, std::string> Runner::run(std::size_t guest, const Lies& plan,
                                             unsigned seconds) {
    std::optional<std::expected<Seen, std::string>> result;
    start(guest, plan, seconds,
          [&result](std::expected<Seen, std::string> seen) { result = std::move(seen); });
    while (!result) {
        constexpr std::chrono::seconds a_while{1};
        pool_.wait(a_while);
        if (pool_.signal() != 0) {
            pool_.end_all(); // ends this run too
        }
    }
    return std::move(*result);
}

std::string Runner::replay_line(std::size_t guest, const std::string& file,
                                unsigned seconds) const {
    std::vector<std::string> words = command(guest, seconds);
    words.front()                  = "sevsim";
    append(words, {"--plan", file});
    append_for_qemu(words, options_.behind);
    return shell_words(words);
}

} // namespace vestibule::sevsim::attack
