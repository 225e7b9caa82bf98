// SPDX-License-Identifier: BSD-2-Clause-Patent
// The loop that waits for a program's output, its end, the clock and signals at once.
#include "sevsim/process.h"

#include "sevsim/spawn.h"
#include "sevsim/terminal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace vestibule::sevsim {

namespace {

using Clock = std::chrono::steady_clock;

/// From SIGTERM to SIGKILL, and from the program's last word to SIGTERM.
constexpr std::chrono::seconds patience{2};

/// From the order to end to SIGTERM.
constexpr std::chrono::seconds order_patience{1};

/// SIGINT, SIGTERM and SIGHUP as something to poll; SIGPIPE as an error of write().
class Signals {
  public:
    Signals() : pipe_before_{std::signal(SIGPIPE, SIG_IGN)} {
        sigset_t ours;
        sigemptyset(&ours);
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
            sigaddset(&ours, number);
        }
        sigprocmask(SIG_BLOCK, &ours, &mask_before_);
        descriptor_ = Descriptor{signalfd(-1, &ours, SFD_CLOEXEC)};
    }

    ~Signals() {
        sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
        std::signal(SIGPIPE, pipe_before_);
    }

    Signals(const Signals&)            = delete;
    Signals& operator=(const Signals&) = delete;

    int descriptor() const { return descriptor_.get(); }

    int next() const {
        signalfd_siginfo info{};
        return read(descriptor_.get(), &info, sizeof info) == sizeof info
                   ? static_cast<int>(info.ssi_signo)
                   : 0;
    }

  private:
    Descriptor descriptor_;
    sigset_t mask_before_{};
    void (*pipe_before_)(int);
};

/// What goes from our standard input to the program's.
struct Input {
    Descriptor into;    ///< its write end; empty: nothing (any more)
    bool typed = false; ///< by somebody; otherwise it is a pipe or a file, of which nothing is lost
};

Clock::time_point deadline(const Command& command) {
    return command.timeout.count() == 0 ? Clock::time_point::max() : Clock::now() + command.timeout;
}

class Loop {
  public:
    Loop(Child& child, Command& command, const Signals& signals, Input input)
        : child_{child}, command_{command}, signals_{signals}, input_{std::move(input)},
          may_take_(command.streams.size(), 0),
          deadline_{command.first_timeout.count() != 0 ? Clock::now() + command.first_timeout
                                                       : deadline(command)} {}

    ProcessEnd run();

  private:
    void wait();
    void serve_stream(std::size_t index);
    void serve_input();
    void begin_anew();
    void clock_ran_out();
    void end(Ending how, int value);
    bool streams_open() const;

    Child& child_;
    Command& command_;
    const Signals& signals_;
    Input input_;
    bool input_may_take_ = false; ///< a look at input_.into has shown that it can be written to
    /// By stream: a look at `into` has shown that it can be written to.
    std::vector<char> may_take_;
    Clock::time_point deadline_; ///< of what comes next: our SIGTERM, our SIGKILL, giving up
    std::optional<ProcessEnd> ended_by_us_;
    bool ordered_   = false; ///< the order was given, and may still be followed
    bool sent_kill_ = false;
    bool closing_   = false; ///< the deadline is the short one after the last word
    bool gave_up_   = false;
    std::optional<int> status_;
};

bool Loop::streams_open() const {
    return std::ranges::any_of(command_.streams, [](const Stream& s) { return bool{s.from}; });
}

ProcessEnd Loop::run() {
    // What the program wrote last is still in the pipes when it has ended.
    while (!gave_up_ && (!status_ || streams_open())) {
        wait();
    }
    if (!status_) {
        status_ = child_.reap();
    }
    if (ended_by_us_) {
        return *ended_by_us_;
    }
    return WIFSIGNALED(*status_) ? ProcessEnd{Ending::killed, WTERMSIG(*status_)}
                                 : ProcessEnd{Ending::exited, WEXITSTATUS(*status_)};
}

void Loop::wait() {
    const bool look_for_room = input_.into && !input_.typed && !input_may_take_;
    std::vector<pollfd> polled{
        {.fd = signals_.descriptor(),                        .events = POLLIN, .revents = 0},
        {.fd = status_ ? -1 : child_.pidfd(),                .events = POLLIN, .revents = 0},
        {.fd      = !input_.into    ? -1
                    : look_for_room ? input_.into.get()
                                    : STDIN_FILENO,
         .events  = static_cast<short>(look_for_room ? POLLOUT : POLLIN),
         .revents = 0                                                                      },
    };
    const std::size_t first_stream = polled.size();
    for (std::size_t i = 0; i < command_.streams.size(); ++i) {
        const Stream& stream  = command_.streams[i];
        const bool look_first = stream.from && stream.into >= 0 && may_take_[i] == 0;
        polled.push_back({.fd      = look_first ? stream.into : stream.from.get(),
                          .events  = static_cast<short>(look_first ? POLLOUT : POLLIN),
                          .revents = 0});
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    const int ready =
        poll(polled.data(), polled.size(), static_cast<int>(std::clamp<long>(left, 0, 1'000'000)));
    if (ready < 0 && errno != EINTR) {
        end(Ending::unread, errno);
        return;
    }
    if (Clock::now() >= deadline_) {
        clock_ran_out();
    }
    if (ready <= 0) {
        return;
    }
    if (polled[0].revents != 0) {
        end(Ending::interrupted, signals_.next());
    }
    if (polled[1].revents != 0) {
        status_ = child_.reap();
    }
    if (polled[2].revents != 0) {
        serve_input();
    }
    for (std::size_t i = 0; i < command_.streams.size(); ++i) {
        if (polled[first_stream + i].revents != 0) {
            serve_stream(i);
        }
    }
}

void Loop::serve_stream(std::size_t index) {
    Stream& stream = command_.streams[index];
    if (stream.into >= 0 && may_take_[index] == 0) {
        may_take_[index] = 1;
        return;
    }
    may_take_[index] = 0;
    // A pipe that polls as writable takes PIPE_BUF bytes without blocking.
    std::array<char, PIPE_BUF> bytes;
    const ssize_t got = read(stream.from.get(), bytes.data(), bytes.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (got <= 0) {
        stream.from.close();
        return;
    }
    if (!stream.take({bytes.data(), static_cast<std::size_t>(got)})) {
        stream.from.close();
        end(Ending::unread, 0);
    } else if (command_.begins_anew()) {
        begin_anew();
    } else if (!closing_ && !ended_by_us_ && command_.finished()) {
        closing_  = true;
        deadline_ = std::min(deadline_, Clock::now() + patience);
    }
}

void Loop::begin_anew() {
    if (ended_by_us_ && (ended_by_us_->how != Ending::timed_out || !ordered_)) {
        return; // it is on its way to its end
    }
    ended_by_us_.reset();
    ordered_  = false;
    deadline_ = deadline(command_);
}

void Loop::serve_input() {
    if (!input_.typed && !input_may_take_) {
        input_may_take_ = true;
        return;
    }
    input_may_take_ = false;
    std::array<char, PIPE_BUF> bytes; // what a pipe that polls as writable takes without blocking
    const ssize_t got = read(STDIN_FILENO, bytes.data(), bytes.size());
    // What is typed for a guest that reads nothing has no room in the end and is lost, as on a
    // serial line. A program that has ended takes nothing.
    if (got <= 0
        || (write(input_.into.get(), bytes.data(), static_cast<std::size_t>(got)) < 0
            && errno == EPIPE)) {
        input_.into.close();
    }
}

void Loop::clock_ran_out() {
    if (!ended_by_us_) {
        end(Ending::timed_out, 0);
    } else if (ordered_ && !status_) {
        ordered_ = false;
        child_.signal(SIGTERM);
        deadline_ = Clock::now() + patience;
    } else if (!sent_kill_ && !status_) {
        child_.signal(SIGKILL);
        sent_kill_ = true;
        deadline_  = Clock::now() + patience;
    } else {
        gave_up_ = true;
    }
}

void Loop::end(Ending how, int value) {
    if (ended_by_us_) {
        deadline_ = Clock::now(); // asked again, so at once
        return;
    }
    ended_by_us_ = ProcessEnd{how, value};
    deadline_    = Clock::now() + patience;
    if (status_) {
        return;
    }
    const std::string& order = command_.end_order;
    ordered_ =
        how != Ending::unread && command_.orders && !command_.finished()
        && send(command_.orders.get(), order.data(), order.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
               == static_cast<ssize_t>(order.size());
    if (ordered_) {
        deadline_ = Clock::now() + order_patience;
    } else {
        child_.signal(SIGTERM);
    }
}

} // namespace

std::expected<Pipe, std::string> Pipe::open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return std::unexpected(fmt::format("no pipe: {}", std::strerror(errno)));
    }
    return Pipe{Descriptor{ends[0]}, Descriptor{ends[1]}};
}

std::expected<Pipe, std::string> Pipe::open_both_ways() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return std::unexpected(fmt::format("no socket: {}", std::strerror(errno)));
    }
    return Pipe{Descriptor{ends[0]}, Descriptor{ends[1]}};
}

std::expected<ProcessEnd, std::string> run_process(Command command) {
    const Signals signals;
    if (signals.descriptor() < 0) {
        return std::unexpected(fmt::format("no signalfd: {}", std::strerror(errno)));
    }
    std::optional<TerminalForGuest> terminal;
    bool typed = false;
    bool piped = false;
    if (command.takes_input) {
        terminal.emplace();
        typed = terminal->ours();
        piped = !typed && isatty(STDIN_FILENO) == 0 && fcntl(STDIN_FILENO, F_GETFD) >= 0;
    }
    auto input = typed || piped ? Pipe::open()
                                : Pipe{Descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)}, {}};
    if (!input) {
        return std::unexpected(input.error());
    }
    if (typed || piped) {
        fcntl(input->write.get(), F_SETFL, O_NONBLOCK);
    }
    auto child = spawn(command.arguments,
                       {input->read.get(), command.standard_output.get(), command.inherited});
    if (!child) {
        return std::unexpected(child.error());
    }
    // Only the program may hold these now: a pipe ends when its last writer has closed it.
    command.standard_output.close();
    command.inherited.clear();
    input->read.close();
    return Loop{
        *child, command, signals, {std::move(input->write), typed}
    }
        .run();
}

} // namespace vestibule::sevsim
