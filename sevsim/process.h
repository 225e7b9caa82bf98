// SPDX-License-Identifier: BSD-2-Clause-Patent
// Running one program: its output read as it comes, a time limit, signals passed on, and nothing
// left running however it ends.
#pragma once

#include "sevsim/descriptor.h"

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim {

struct Pipe {
    Descriptor read, write; ///< both close on exec

    static std::expected<Pipe, std::string> open();
    /// A pair of sockets instead, each for both ways.
    static std::expected<Pipe, std::string> open_both_ways();
};

/// What the program writes into one pipe.
struct Stream {
    Descriptor from;
    /// Takes what has come. False: nobody wants more, so the program is ended.
    std::function<bool(std::string_view)> take;
    /// A descriptor that `take` writes to, or -1. It is called only when that would not block, so
    /// that a reader who has stopped reading cannot keep us from seeing the clock and signals.
    int into = -1;
};

struct Command {
    std::vector<std::string> arguments;
    Descriptor standard_output;
    std::vector<Descriptor> inherited; ///< what the program keeps open, under the same numbers
    std::vector<Stream> streams;
    std::chrono::milliseconds timeout{}; ///< zero: none
    std::chrono::milliseconds
        first_timeout{}; ///< until `begins_anew` for the first time, if not zero
    /// Where the program takes orders, and the one that has it say its last words and end. When its
    /// time is up or a signal has come, it gets the order before it gets SIGTERM.
    Descriptor orders;
    std::string end_order;
    /// Our standard input goes to the program: what is typed if we have the terminal, and what
    /// comes by a pipe or out of a file, as fast as the program takes it.
    bool takes_input = false;
    /// Asked after each read: the program has said all that counts, and has a moment left to end.
    std::function<bool()> finished = [] { return false; };
    /// Asked after each read: the program has ended one of several things, each of which has
    /// `timeout`; so it has followed the order, where one was given because time was up.
    std::function<bool()> begins_anew = [] { return false; };
};

enum class Ending {
    exited,      ///< value: the status
    killed,      ///< value: the signal, which was not ours
    timed_out,   ///< ended by us
    interrupted, ///< ended by us since we got a signal; value: which
    unread,      ///< ended by us since a stream's `take` said so
};

struct ProcessEnd {
    Ending how;
    int value;
};

/// Runs `command` to its end. An error only if it could not be started.
std::expected<ProcessEnd, std::string> run_process(Command command);

} // namespace vestibule::sevsim
