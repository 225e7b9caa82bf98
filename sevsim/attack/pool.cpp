// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/pool.h"

#include "sevsim/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>

namespace vestibule::sevsim::attack {

namespace {
using Clock = std::chrono::steady_clock;

/// Of a guest that prints without end the beginning is enough: it is not the honest run's.
constexpr std::size_t most_output = std::size_t{4} << 20;
} // namespace

struct Pool::Job {
    Child child;
    Descriptor output;
    Clock::time_point deadline;
    Done done;
    Take take;
    PoolEnd end;
};

Pool::Pool(unsigned most) : most_{most} {
    sigset_t ours;
    sigemptyset(&ours);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&ours, number);
    }
    sigprocmask(SIG_BLOCK, &ours, &mask_before_);
    signals_ = Descriptor{signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK)};
}

Pool::~Pool() {
    jobs_.clear(); // kills what is left
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

std::expected<void, std::string> Pool::start(const std::vector<std::string>& arguments,
                                             std::chrono::milliseconds limit, bool shows_errors,
                                             Done done, Take take) {
    auto pipe = Pipe::open();
    if (!pipe) {
        return std::unexpected(pipe.error());
    }
    const Descriptor nothing{open("/dev/null", O_RDWR | O_CLOEXEC)};
    auto child = spawn(arguments, {.input     = nothing.get(),
                                   .output    = pipe->write.get(),
                                   .inherited = {},
                                   .errors    = shows_errors ? -1 : nothing.get()});
    if (!child) {
        return std::unexpected(child.error());
    }
    fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK);
    jobs_.push_back({.child    = std::move(*child),
                     .output   = std::move(pipe->read),
                     .deadline = Clock::now() + limit,
                     .done     = std::move(done),
                     .take     = std::move(take),
                     .end      = {}});
    return {};
}

void Pool::read_output(Job& job) {
    std::array<char, 65'536> bytes;
    ssize_t got = 0;
    while ((got = read(job.output.get(), bytes.data(), bytes.size())) > 0) {
        if (job.take) {
            job.take({bytes.data(), static_cast<std::size_t>(got)});
            continue;
        }
        const std::size_t room = most_output - std::min(most_output, job.end.output.size());
        job.end.output.append(bytes.data(), std::min(room, static_cast<std::size_t>(got)));
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        job.output.close();
    }
}

void Pool::wait(std::chrono::milliseconds limit) {
    std::vector<pollfd> polled{
        {.fd = signals_.get(), .events = POLLIN, .revents = 0}
    };
    auto deadline = Clock::now() + limit;
    for (const Job& job : jobs_) {
        polled.push_back({.fd = job.child.pidfd(), .events = POLLIN, .revents = 0});
        polled.push_back({.fd = job.output.get(), .events = POLLIN, .revents = 0});
        deadline = std::min(deadline, job.deadline);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    poll(polled.data(), polled.size(), static_cast<int>(std::clamp<long>(left, 0, 60'000)));
    if (signalfd_siginfo info{}; read(signals_.get(), &info, sizeof info) == sizeof info) {
        signal_ = static_cast<int>(info.ssi_signo);
    }
    std::vector<std::pair<Done, PoolEnd>> ended;
    std::size_t at = 1;
    // What takes output may start others, which stand behind those that were looked at.
    for (auto job = jobs_.begin(); at < polled.size(); at += 2) {
        if (polled[at + 1].revents != 0 && job->output) {
            read_output(*job);
        }
        if (Clock::now() >= job->deadline && !job->end.overdue) {
            job->end.overdue = true;
            job->child.signal(SIGKILL);
        }
        if (polled[at].revents == 0) {
            ++job;
            continue;
        }
        job->end.status = job->child.reap();
        if (job->output) {
            read_output(*job); // what it has said last
        }
        ended.emplace_back(std::move(job->done), std::move(job->end));
        job = jobs_.erase(job);
    }
    // Last of all: what is done then may start others.
    for (auto& [done, end] : ended) {
        done(std::move(end));
    }
}

void Pool::end_all() {
    for (const Job& job : jobs_) {
        job.child.signal(SIGTERM);
    }
    constexpr std::chrono::seconds patience{5};
    const auto deadline = Clock::now() + patience;
    while (!jobs_.empty() && Clock::now() < deadline) {
        wait(std::chrono::milliseconds{100});
    }
    jobs_.clear();
}

} // namespace vestibule::sevsim::attack
